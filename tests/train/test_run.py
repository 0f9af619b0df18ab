import json
import shutil

import msgspec
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from instructkit.errors import TrainingError
from instructkit.evaluate.generate import generate
from instructkit.evaluate.run import evaluate
from instructkit.schema import Message
from instructkit.train.run import train


@pytest.fixture
def run(shards, tmp_path, small):
    def go(out="run", data=None, dataset_hash="d", resume=True, progress=None, **fields):
        return train(
            small(**fields), data or shards, tmp_path / out, dataset_hash=dataset_hash, resume=resume, progress=progress
        )

    return go


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, small, shards):
    """One model tuned until it knows the colours."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    config = small(max_steps=60, generations=2, learning_rate=5e-3, evaluate_every=30)
    return config, train(config, shards, out, dataset_hash="hash-of-the-dataset"), out


def test_the_loss_falls_on_every_template(tuned):
    _, result, _ = tuned
    assert {s.name for s in result.before.slices if s.by == "template"} == {"ask0", "ask1"}
    for first in result.before.slices:
        assert result.after.find(first.by, first.name).loss < first.loss - 1


def test_the_folder_holds_what_the_page_says(tuned):
    config, result, out = tuned
    assert {p.name for p in out.iterdir()} == {
        ".lock",
        "cache",
        "curve.png",
        "curve.svg",
        "dropped.parquet",
        "evaluation",
        "evaluation.json",
        "metrics.jsonl",
        "model",
        "preflight.json",
        "run.json",
    }
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, config.max_steps + 1))
    assert [line["step"] for line in lines if "validation_loss" in line] == [30, 60]
    total = json.loads((out / "preflight.json").read_text())["total"]
    assert total["rows"] == total["trained"] > 100
    assert result.model == out / "model"


def test_the_model_loads_with_plain_transformers_and_stops_where_it_should(tuned):
    _, result, _ = tuned
    model = AutoModelForCausalLM.from_pretrained(result.model)
    tokenizer = AutoTokenizer.from_pretrained(result.model)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token_id == stop
    settings = GenerationConfig.from_pretrained(result.model)
    assert settings.eos_token_id == stop
    assert settings.pad_token_id == tokenizer.pad_token_id != stop
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "(3) What colour is coal?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    written = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0]
    assert written[-1] == stop
    text = tokenizer.decode(written[prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    assert text.startswith("It is ")


def test_generate_answers_and_stops(tuned):
    reply = generate(tuned[1].model, "(8) What colour is snow?")
    assert reply.stopped
    assert reply.text.startswith("It is ")
    assert "<|im_end|>" not in reply.text
    cut = generate(tuned[1].model, [Message(role="user", content="(8) What colour is snow?")], max_new_tokens=2)
    assert (cut.stopped, cut.tokens) == (False, 2)


def test_sampling_depends_on_the_seed_only(tuned):
    replies = [generate(tuned[1].model, "Sky?", temperature=3.0, seed=s, max_new_tokens=20).text for s in (1, 1, 2)]
    assert replies[0] == replies[1] != replies[2]


def test_evaluating_the_saved_model_gives_the_losses_of_the_trained_one(tuned, shards):
    _, result, _ = tuned
    again = evaluate(result.model, shards, by=("template", "task"), limit=200, generations=2)
    assert again.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-5)
    assert again.find("task", "colour").tokens == again.overall.tokens
    assert [g.reply for g in again.generations] == [g.reply for g in result.after.generations]


def test_the_card_names_lineage_data_and_losses(tuned):
    card = (tuned[1].model / "README.md").read_text()
    assert "`hash-of-the-dataset`" in card
    assert '"learning_rate": 0.005' in card
    assert "| colours | ask0 |" in card
    assert f"{tuned[1].after.overall.loss:.3f}" in card


def test_a_finished_run_is_reused_at_once(tuned, shards):
    config, _, out = tuned
    said = []
    before = (out / "model/model.safetensors").stat().st_mtime_ns
    result = train(config, shards, out, dataset_hash="hash-of-the-dataset", progress=said.append)
    assert result.reused
    assert result.after.overall.loss == tuned[1].after.overall.loss
    assert any("reused" in (event.message or "") for event in said)
    assert (out / "model/model.safetensors").stat().st_mtime_ns == before


def test_another_configuration_is_refused_with_what_differs_and_the_way_out(run, tmp_path):
    run()
    with pytest.raises(TrainingError) as caught:
        run(learning_rate=0.01, epochs=50.0)
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'run'} holds an earlier run; since then changed",
        "  epochs: 100.0 → 50.0",
        "  learning_rate: null → 0.01",
        "Start over, which removes its model:",
        "  train(…, resume=False)",
    ]


def test_changed_data_is_refused_by_its_content(run, colours, write_shards):
    run()
    with pytest.raises(TrainingError, match="since then changed\n  data of step 'final'\nStart over"):
        run(data=write_shards(colours(200), "other"))


def test_a_run_that_never_began_makes_room_for_another(run):
    with pytest.raises(TrainingError, match="do not fit sequence_length 16"):
        run(sequence_length=16)
    assert run(sequence_length=128).steps == 6


def test_what_was_tokenised_before_a_refusal_is_not_tokenised_again(run, colours, write_shards):
    examples = colours(60)
    long = [msgspec.structs.replace(e, messages=[*e.messages, *e.messages * 9]) for e in examples[:10]]
    data, said = write_shards([*long, *examples[10:]], "long"), []
    with pytest.raises(TrainingError, match="do not fit sequence_length 128"):
        run(data=data)
    run(data=data, overlong="drop", progress=said.append)
    assert [e for e in said if "earlier run" in (e.message or "")]


def test_starting_over_replaces_the_run_and_leaves_strangers_alone(run, tmp_path):
    run()
    (tmp_path / "run/notes.txt").write_text("mine")
    result = run(learning_rate=0.01, resume=False)
    assert not result.reused
    assert (tmp_path / "run/notes.txt").read_text() == "mine"


def test_a_folder_that_is_no_run_is_not_touched(run, tmp_path):
    (tmp_path / "run/model").mkdir(parents=True)
    with pytest.raises(TrainingError, match=r"holds model but no run\.json"):
        run(resume=False)
    assert (tmp_path / "run/model").exists()


def test_settings_that_change_nothing_do_not_hinder_going_on(run):
    run()
    assert run(checkpoint_every=3).reused


def test_what_was_asked_for_too_late_is_told_with_what_makes_it(run):
    run(max_steps=2)
    said = []
    assert run(max_steps=2, scored_replies=3, evaluate_every=1, progress=said.append).reused
    assert [e.message for e in said][1:] == [
        "of no effect on a finished run: scored_replies: null → 3; evaluate_every: null → 1",
        "`instructkit eval` scores its replies; anything else means anew: train(…, resume=False)",
    ]


def test_a_run_is_trained_by_one_call_at_a_time(run):
    def meanwhile(event):
        if event.phase == "train" and event.done == 1:
            run(max_steps=2)

    with pytest.raises(TrainingError, match="run is being trained by another process; wait for it to end"):
        run(max_steps=2, progress=meanwhile)
    assert run(max_steps=2).steps == 2


def test_slices_for_one_process_are_said_to_be_none(run):
    notes = run(max_steps=1, parallel="fsdp2").notes
    assert "parallel: fsdp2 shares a training among processes; this is one, so it changes nothing" in notes


def test_a_picture_that_cannot_be_drawn_does_not_cost_the_training(run, monkeypatch):
    def fail(out):
        raise ValueError("no paint")

    monkeypatch.setattr("instructkit.train.finish.draw_curve", fail)
    assert "no loss curve is drawn: ValueError: no paint" in run(max_steps=1).notes


def test_a_saved_model_is_tuned_on_by_naming_it(tuned, run, tmp_path):
    result = run(model=str(tuned[1].model))
    assert result.before.overall.loss == pytest.approx(tuned[1].after.overall.loss, rel=0.5)
    assert f"Tuned from `{tuned[1].model}`" in (result.model / "README.md").read_text()


def test_a_run_is_the_same_wherever_its_project_lies(tuned, shards, small, tmp_path):
    template = AutoTokenizer.from_pretrained(tuned[1].model).chat_template
    keys = []
    for name in ("a", "b"):
        root = tmp_path / name
        shutil.copytree(tuned[1].model, root / "models/base")
        (root / "chat.jinja").write_text(template)
        config = small(model="models/base", chat_template="chat.jinja", max_steps=1)
        model = train(config, shards, root / "run", dataset_hash="d", root=root).model
        keys.append(json.loads((root / "run/run.json").read_text())["key"])
        written = [p for p in (root / "run").rglob("*") if p.is_file() and p.suffix in (".json", ".md", ".jsonl")]
        assert not [p for p in written if str(root) in p.read_text()]
        card = (model / "README.md").read_text()
        assert "Tuned from `models/base`" in card
        assert '"chat_template": "chat.jinja"' in card
        assert "base_model:" not in card
    assert keys[0] == keys[1]


def test_a_model_in_the_cache_of_the_hub_is_used_without_a_network_and_pinned(tuned, run, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder, commit = tmp_path / "hub/models--org--colours", "c" * 40
    shutil.copytree(tuned[1].model, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(commit)
    result = run(model="org/colours")
    assert result.before.overall.loss == pytest.approx(tuned[1].after.overall.loss, rel=0.5)
    assert commit in (tmp_path / "run/run.json").read_text()
    card = (result.model / "README.md").read_text()
    assert "base_model: org/colours" in card
    assert f"| base model, commit | `{commit}` |" in card


def test_a_base_model_without_chat_template_is_given_chatml(tuned, run, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(tuned[1].model, base)
    (base / "chat_template.jinja").unlink()
    result = run(model=str(base))
    assert "<|im_start|>" in AutoTokenizer.from_pretrained(result.model).chat_template


def test_a_model_that_is_not_there_says_how_it_was_taken(run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TrainingError, match=r"model 'no/where'.*hub name"):
        run(model="no/where")


def test_a_model_too_short_for_the_rows_says_so(tuned, run):
    with pytest.raises(TrainingError, match="positions for 128 tokens, sequence_length is 256"):
        run(model=str(tuned[1].model), sequence_length=256)


def test_without_a_test_split_training_says_that_nothing_was_evaluated(run, colours, write_shards):
    data = write_shards([e for e in colours(100) if e.split == "train"], "only")
    result = run(data=data)
    assert result.before is result.after is None
    assert any("no examples of split 'test'" in note for note in result.notes)


def test_micro_batches_do_not_change_the_training(run, tmp_path):
    losses = []
    for size in (1, 4):
        run(out=f"m{size}", micro_batch_sequences=size)
        lines = (tmp_path / f"m{size}/metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_dropped_rows_are_kept_with_their_reason(run, colours, write_shards, tmp_path):
    examples = colours(400)
    first = next(e for e in examples if e.split == "train")
    bad = msgspec.structs.replace(first, id="bad", messages=[Message(role="user", content="no answer")])
    said = []
    run(data=write_shards([*examples, bad], "bad"), progress=said.append)
    dropped = pl.read_parquet(tmp_path / "run/dropped.parquet")
    assert dropped.select("id", "step", "rule").rows() == [("bad", "training 'run'", "train.zero_label")]
    assert [e.message for e in said if "not trained on" in (e.message or "")]


def test_what_becomes_of_the_examples_is_shown_when_nothing_is_lost_too(run, tmp_path):
    said = []
    run(progress=said.append)
    assert [e.message for e in said if "nothing is lost" in (e.message or "")]
    saved = json.loads((tmp_path / "run/preflight.json").read_text())
    assert saved["plan"]["steps"] == 6


def test_a_training_that_is_refused_says_and_keeps_what_would_be_lost(run, tmp_path):
    said = []
    with pytest.raises(TrainingError, match="do not fit sequence_length 16"):
        run(sequence_length=16, progress=said.append)
    assert [e.message for e in said if "not trained on" in (e.message or "")]
    saved = json.loads((tmp_path / "run/preflight.json").read_text())
    assert saved["total"]["overlong"] == pl.read_parquet(tmp_path / "run/dropped.parquet").height > 100


def test_a_diverging_training_stops_with_the_step(run):
    with pytest.raises(TrainingError, match=r"step \d+: loss .*not finite\. Lower learning_rate"):
        run(learning_rate=1e30, clip_norm=None, max_steps=30)


def test_bf16_products_keep_fp32_weights_and_learn(run):
    result = run(max_steps=30, learning_rate=5e-3, precision="bf16")
    assert result.after.overall.loss < result.before.overall.loss - 1
    model = AutoModelForCausalLM.from_pretrained(result.model)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_bf16_on_a_gpu_learns(run):
    result = run(max_steps=40, learning_rate=5e-3, precision="bf16")
    assert result.after.overall.loss < result.before.overall.loss - 0.5
