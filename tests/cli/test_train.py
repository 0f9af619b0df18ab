"""The commands that need a model, on a model small enough to train here."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="training is an extra")

TRAIN = """
train:
  small:
    examples: final
    model: {architecture: llama, hidden_size: 32, layers: 1, heads: 2, vocab_size: 600}
    sequence_length: 128
    tokens_per_step: 1024
    max_steps: 6
    evaluate_examples: 4
    generations: 1
    overlong: drop
    ledger: true
  pretrained:
    examples: unique
    objective: language-modeling
    model: {architecture: qwen3, hidden_size: 32, layers: 1, heads: 2, vocab_size: 600}
    sequence_length: 128
    max_steps: 2
  tuned:
    from: pretrained
    examples: final
    sequence_length: 128
    max_steps: 2
    evaluate_examples: 4
    generations: 0
    overlong: drop
"""


@pytest.fixture(scope="module")
def trained(_project_files, tmp_path_factory, environment):
    """The project with a training that has run, and what the command printed."""
    root = Path(shutil.copytree(_project_files, tmp_path_factory.mktemp("trained") / "project"))
    recipe = root / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text() + TRAIN)

    def run(*args: str):
        done = subprocess.run(
            [sys.executable, "-m", "instructkit", *args],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return root, run, run("train", "recipes/notes.yaml", "small", "--workers", "1")


def test_train_builds_trains_and_says_where_to_look_next(trained):
    root, _, said = trained
    assert "notes/title" in said
    assert "before" in said
    assert "after" in said
    assert (root / "build/notes/trainings/small/model/config.json").exists()
    for command in ("show final", "why ", "eval small final", "generate small"):
        assert command in said


def test_two_processes_build_and_train_as_one_and_speak_with_one_voice(trained, tmp_path):
    root, run, said = trained
    there = ("--build-dir", str(tmp_path / "build"), "--workers", "1", "--processes", "2")
    both = run("train", "recipes/notes.yaml", "small", *there)
    assert both.count("before") == said.count("before")
    assert losses(tmp_path / "build") == pytest.approx(losses(root / "build"), rel=1e-4)


def test_two_machines_train_as_one(trained, tmp_path, environment):
    """As `docs/training.md` says for several machines; here both are this one, each with a torchrun of its own."""
    root, _, _ = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nodes = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    there = ["recipes/notes.yaml", "small", "--build-dir", str(tmp_path / "build"), "--workers", "1"]
    command = [sys.executable, "-m", "torch.distributed.run", *nodes, "-m", "instructkit", "train", *there]
    machines = [
        subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [machine.communicate(timeout=300)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "\n".join(said)
    assert losses(tmp_path / "build") == pytest.approx(losses(root / "build"), rel=1e-4)


def losses(build):
    lines = (build / "notes/trainings/small/metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_plan_and_preflight_tell_the_steps_that_were_made(trained):
    root, run, _ = trained
    lines = (root / "build/notes/trainings/small/metrics.jsonl").read_text().splitlines()
    every = json.loads(run("plan", "recipes/notes.yaml", "--json"))["trainings"]
    assert every["tuned"] == {"waits": "known once training 'pretrained' has run: it starts from its model"}
    told = every["small"]
    assert told["plan"]["steps"] == len(lines) == 6
    assert told["total"]["trained"] > 0
    assert told["memory"]["state"] == 16 * told["memory"]["parameters"]
    said = run("train", "recipes/notes.yaml", "small", "--workers", "1", "--preflight")
    assert "training 'small' on step 'final':" in said
    assert "6 steps of " in said


def test_a_plan_of_what_is_not_built_says_what_it_waits_for(project, environment):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text() + TRAIN)
    done = subprocess.run(
        [sys.executable, "-m", "instructkit", "plan", "recipes/notes.yaml", "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert json.loads(done.stdout)["trainings"]["small"] == {
        "waits": "known once step 'final' is built: instructkit build recipes/notes.yaml"
    }


def test_a_training_runs_the_one_that_it_starts_from_first(trained):
    root, run, _ = trained
    run("train", "recipes/notes.yaml", "tuned", "--workers", "1")
    folders = [root / "build/notes/trainings" / name for name in ("pretrained", "tuned")]
    runs = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [each["finished"]["steps"] for each in runs] == [2, 2]
    models = [json.loads((folder / "model/config.json").read_text()) for folder in folders]
    assert [m["model_type"] for m in models] == ["qwen3", "qwen3"]
    assert models[0]["vocab_size"] == models[1]["vocab_size"]
    # It is measured on the documents that it was made from, not on the examples that the recipe ends with.
    found = json.loads(run("eval", "pretrained", "--split", "train", "--limit", "3", "--no-base", "--json"))
    assert [part["name"] for part in found["after"]["slices"]] == ["-"]


def test_a_finished_training_is_reused(trained):
    _, run, _ = trained
    assert "reused" in run("train", "recipes/notes.yaml", "small", "--workers", "1")


def test_show_marks_the_tokens_that_are_trained_on(trained):
    _, run, _ = trained
    said = run("show", "final", "--id", "one-3/notes/title", "--tokens", "small")
    assert "⟦Note 3<|im_end|>⟧" in said


def test_eval_measures_a_training_by_name(trained):
    _, run, _ = trained
    found = json.loads(run("eval", "small", "final", "--by", "template", "--by", "source", "--limit", "3", "--json"))
    assert {part["by"] for part in found["after"]["slices"]} == {"template", "source"}
    assert found["after"]["overall"]["tokens"] > 0


def test_eval_has_the_untrained_model_as_column_zero_and_scores_replies(trained):
    root, run, _ = trained
    options = ["--generate", "2", "--max-new-tokens", "4", "--show-worst", "1", "--out", "measured"]
    said = run("eval", "small", "final", *options)
    assert "base" in said
    assert "exact_match" in said
    assert "answered" in said
    found = json.loads((root / "measured/evaluation.json").read_text())
    assert found["before"]["overall"]["examples"] > 0
    assert {change["metric"] for change in found["changes"]} == {"loss"}
    replies = [json.loads(line) for line in (root / "measured/predictions.jsonl").read_text().splitlines()]
    assert all(reply["scores"] and reply["prompt"] and reply["expected"] for reply in replies)


def test_eval_measures_conversations_of_a_file(trained):
    root, run, _ = trained
    turns = [{"role": "user", "content": "Write a note."}, {"role": "assistant", "content": "Note 1"}]
    (root / "other.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    found = json.loads(run("eval", "small", "--data", "other.jsonl", "--no-base", "--json"))
    assert found["after"]["overall"]["examples"] == 1


def test_ledger_tells_what_became_of_each_example(trained):
    _, run, _ = trained
    assert "notes/title" in run("ledger")
    listed = [json.loads(line) for line in run("ledger", "small", "--template", "notes/title", "--json").splitlines()]
    assert listed
    assert {row["template"] for row in listed} == {"notes/title"}
    one = run("ledger", "--id", listed[0]["id"])
    assert "before" in one
    assert "Note" in one
    assert len(run("ledger", "--template", "notes/title", "--limit", "1").splitlines()) == 4
    assert "document" in run("ledger", "small", "--by", "document", "--limit", "2")
    assert json.loads(run("ledger", "--id", listed[0]["id"], "--json"))["messages"]
    assert f"trained   by 'small': {listed[0]['class'] or 'unjudged'}, loss" in run("why", listed[0]["id"])


def test_the_next_build_drops_by_a_ledger(trained):
    root, run, _ = trained
    ledger = root / "build/notes/trainings/small/ledger.parquet"
    judged = pl.read_parquet(ledger).with_columns(**{"class": pl.lit("learned")})
    odd = judged["id"][0]
    marked = pl.when(pl.col("id") == odd).then(pl.lit("suspicious")).otherwise("class").alias("class")
    (root / "ledgers").mkdir()
    judged.with_columns(marked).write_parquet(root / "ledgers/first.parquet")
    text = (root / "recipes/notes.yaml").read_text().partition("\ntrain:")[0] + "\n"
    text = (
        text.replace("recipe: notes", "recipe: cleaner")
        + "  cleaned: {stage: filter.ledger, from: final, ledger: ledgers/first.parquet}\n"
    )
    (root / "recipes/cleaner.yaml").write_text(text)
    run("build", "recipes/cleaner.yaml", "--workers", "1", "--build-dir", "elsewhere")
    (lost,) = run("show", "cleaned", "--build", "elsewhere/cleaner", "--dropped", "--json").strip().splitlines()
    dropped = json.loads(lost)
    assert [dropped[name] for name in ("id", "rule", "value")] == [odd, "ledger", "suspicious"]
    assert "dropped   by step 'cleaned' for template notes/title: ledger" in run(
        "why", odd, "--build", "elsewhere/cleaner"
    )


@pytest.mark.parametrize(
    "model", [["small"], ["small", "--build", "recipes/notes.yaml"], ["build/notes/trainings/small/model"]]
)
def test_generate_answers_for_a_training_by_name_and_for_a_folder(trained, model):
    _, run, _ = trained
    run("generate", *model, "Write a note called Note 3.", "--max-new-tokens", "5")


def test_generate_answers_a_file_of_prompts(trained):
    root, run, _ = trained
    (root / "prompts.jsonl").write_text(
        '{"prompt": "Note 1"}\n\n{"messages": [{"role": "user", "content": "Note 2"}]}\n'
    )
    options = ["--max-new-tokens", "3", "--temperature", "1", "--samples", "2"]
    said = [json.loads(line) for line in run("generate", "small", "--file", "prompts.jsonl", *options).splitlines()]
    assert [line["messages"][0]["content"] for line in said] == ["Note 1", "Note 1", "Note 2", "Note 2"]
    assert all(line["tokens"] <= 3 for line in said)


def test_a_base_model_that_is_not_there_is_told_before_the_build(project, environment):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text() + "train: {small: {examples: final, model: ./models/base}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "instructkit", "train", "recipes/notes.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    assert f"looked for {project / 'models/base'}" in done.stderr
    assert not (project / "build").exists()
