"""A pretrained model tuned in part: with adapters, frozen layers; whole runs of a few steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from instructkit.errors import TrainingError
from instructkit.evaluate.result import read_evaluations
from instructkit.evaluate.run import evaluate
from instructkit.train.config.adapter import Adapter
from instructkit.train.config.freeze import Freeze
from instructkit.train.config.stopping import EarlyStopping
from instructkit.train.run import train


@pytest.fixture(scope="module")
def base(tmp_path_factory, small, shards):
    """A model that answers "It is blue.", saved in bf16 as most are."""
    out = tmp_path_factory.mktemp("base") / "run"
    config = small(max_steps=70, learning_rate=1e-2, save_as="bf16", ledger=False)
    return train(config, shards, out, dataset_hash="d").model


@pytest.fixture
def twice(colours, write_shards):
    """Examples that answer "It is blue. It is blue."."""
    return write_shards(colours(answers={thing: f"{colour}. It is {colour}" for thing, colour in COLOURS.items()}))


@pytest.fixture
def run(base, twice, tmp_path, small):
    def go(out="run", data=None, progress=None, **fields):
        config = small(**{"model": str(base), "ledger": False, **fields})
        return train(config, data or twice, tmp_path / out, dataset_hash="d", progress=progress)

    return go


COLOURS = {"sky": "blue", "grass": "green", "snow": "white", "coal": "black", "blood": "red", "lemon": "yellow"}


def weights(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto").state_dict()


@pytest.mark.parametrize("kind", ["lora", "dora", "adalora"])
def test_an_adapter_learns_and_its_result_is_a_whole_model_in_the_numbers_of_its_base(run, base, twice, kind):
    result = run(adapter=Adapter(kind=kind, rank=4), learning_rate=1e-2, max_steps=20)
    assert result.after.overall.loss < result.before.overall.loss - 0.8
    assert {p.name for p in result.model.iterdir()} >= {"model.safetensors", "generation_config.json", "README.md"}
    before, after = weights(base), weights(result.model)
    assert before.keys() == after.keys()
    assert {value.dtype for value in after.values()} == {torch.bfloat16}
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    # The last evaluation is of the merged and rounded model: what anyone measures who loads it.
    again = evaluate(result.model, twice, limit=200)
    assert again.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-5)
    card = (result.model / "README.md").read_text()
    assert f"- {kind}\n" in card
    assert "parameters are trained (" in card
    assert "Weights are saved in bf16." in card


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("adapter", [Adapter(rank=4, merge=False), Adapter(kind="prefix")])
def test_an_adapter_folder_is_evaluated_and_trained_on_like_a_model(run, base, twice, adapter):
    result = run(adapter=adapter, learning_rate=1e-2, max_steps=20)
    assert result.after.overall.loss < result.before.overall.loss - 0.05
    assert not (result.model / "model.safetensors").exists()
    again = evaluate(result.model, twice, limit=200)
    assert again.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-4)
    AutoTokenizer.from_pretrained(result.model)
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), result.model)
    assert "PeftModel.from_pretrained" in (result.model / "README.md").read_text()
    if adapter.kind == "lora":
        further = run(out="further", model=str(result.model), max_steps=2)
        assert further.before.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-4)


def test_a_base_without_control_tokens_learns_to_stop_with_an_adapter(run, base, shards, tmp_path):
    """Rows of new tokens are trained beside the adapter: else no reply would ever end."""
    plain = tmp_path / "plain"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    made = json.loads(tokenizer.backend_tokenizer.to_str())
    # The same tokenizer without ChatML: what was its stop token is now the plain end of a text.
    names = {"<|im_end|>": "<|end|>", "<|im_start|>": "<|other|>"}
    for token in made["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    vocab = made["model"]["vocab"]
    for old, new in names.items():
        vocab[new] = vocab.pop(old)
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    (plain / "tokenizer.json").write_text(json.dumps(made))
    (plain / "chat_template.jinja").unlink()
    settings = json.loads((plain / "tokenizer_config.json").read_text())
    settings = {k: settings[k] for k in ("tokenizer_class", "pad_token")} | {"eos_token": "<|end|>"}
    (plain / "tokenizer_config.json").write_text(json.dumps(settings))

    adapter = Adapter(rank=4)
    result = run(data=shards, model=str(plain), adapter=adapter, learning_rate=1e-2, max_steps=30, generations=3)
    assert any("are trained beside the adapter: '<|im_start|>', '<|im_end|>'" in note for note in result.notes)
    assert all(reply.stopped for reply in result.after.generations)
    # One token of five is the stop token: not learned, it alone would cost more than a nat.
    assert result.after.overall.loss < 0.8
    rows = len(tokenizer)
    after = weights(result.model)["model.embed_tokens.weight"]
    assert len(after) == rows + 2
    assert torch.equal(after[:rows].float(), model.state_dict()["model.embed_tokens.weight"].float())


def test_what_is_frozen_is_saved_as_it_was(run, base):
    result = run(freeze=Freeze(top_layers_only=1), learning_rate=1e-2, max_steps=5)
    before, after = weights(base), weights(result.model)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {name for name in changed if ".layers." in name} <= {n for n in after if ".layers.1." in n}
    assert "model.norm.weight" in changed
    assert "model.embed_tokens.weight" not in changed


def test_a_pattern_that_matches_nothing_stops_before_any_step(run, tmp_path):
    with pytest.raises(TrainingError, match="'slef_attn' matches no weight of the model; did you mean 'self_attn'"):
        run(freeze=Freeze(patterns=("slef_attn",)))
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_the_recipes_words_and_not_the_machines_name_the_base_of_an_adapter(base, twice, small, tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "models").symlink_to(base.parent)
    config = small(model="models/model", adapter=Adapter(merge=False), max_steps=1)
    result = train(config, twice, root / "build/r/trainings/t", dataset_hash="d", root=root)
    assert json.loads((result.model / "adapter_config.json").read_text())["base_model_name_or_path"] == "models/model"


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_training_stops_early_when_a_slice_gets_no_better(run, tmp_path):
    stopping = EarlyStopping(slice="template=ask1", patience=2)
    result = run(early_stopping=stopping, evaluate_every=2, learning_rate=3e-1, clip_norm=None, max_steps=40)
    assert 4 <= result.steps < 40
    losses = [line["validation"]["template"]["ask1"] for line in metrics(tmp_path / "run") if "validation" in line]
    assert min(losses[-2:]) >= min(losses[:-2])
    assert f"in {result.steps} steps" in (result.model / "README.md").read_text()


def test_a_slice_that_no_validation_example_has_is_refused_before_anything_is_measured(run, tmp_path):
    with pytest.raises(TrainingError, match="no validation examples of template 'ask7'; did you mean 'ask1'"):
        run(early_stopping=EarlyStopping(slice="template=ask7"), evaluate_every=2)
    assert not (tmp_path / "run/evaluation.json").exists()


def test_the_result_may_be_the_mean_of_the_last_checkpoints(run, base, tmp_path):
    """Equal to the mean of three trainings that ended where the checkpoints lie."""
    fields = {"schedule": "constant", "warmup": 0.0, "learning_rate": 1e-3, "save_as": "fp32"}
    mean = run(out="mean", average_checkpoints=3, checkpoint_every=2, max_steps=6, **fields)
    parts = [weights(run(out=f"to{n}", max_steps=n, **fields).model) for n in (2, 4, 6)]
    for name, value in weights(mean.model).items():
        assert torch.allclose(value, sum(part[name] for part in parts) / 3, atol=1e-6)


@pytest.mark.parametrize("keys", [{"neftune": 5.0}, {"fgm": 0.5}, {"dropout": 0.3}])
def test_noise_changes_the_training_and_is_the_same_for_the_same_seed(run, keys, tmp_path):
    losses = {}
    for out, fields in (("plain", {}), ("one", keys), ("again", keys)):
        run(out=out, max_steps=4, **fields)
        losses[out] = [line["loss"] for line in metrics(tmp_path / out)]
    assert losses["one"] == losses["again"] != losses["plain"]


def test_noise_is_the_same_however_a_step_is_cut(run, tmp_path):
    losses = []
    for size in (1, 4):
        run(out=f"m{size}", neftune=5.0, fgm=0.5, max_steps=4, micro_batch_sequences=size)
        losses.append([line["loss"] for line in metrics(tmp_path / f"m{size}")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_an_adapter_run_that_was_stopped_goes_on_to_the_same_result(run, tmp_path):
    class Stop(Exception):
        pass

    def stop(event):
        if event.phase == "train" and event.done == 13:
            raise Stop

    fields = {"adapter": Adapter(kind="adalora", rank=2), "max_steps": 20, "checkpoint_every": 5, "dropout": 0.1}
    whole = run(out="whole", **fields)
    with pytest.raises(Stop):
        run(out="stopped", progress=stop, **fields)
    (held,) = (tmp_path / "stopped/checkpoints").iterdir()
    assert sum(p.stat().st_size for p in held.iterdir()) < (whole.model / "model.safetensors").stat().st_size * 3
    result = run(out="stopped", **fields)
    assert result.resumed_from == 10
    for name, value in weights(whole.model).items():
        assert torch.equal(weights(result.model)[name], value)


def test_an_adapter_trained_in_slices_by_two_processes_is_the_one_that_a_single_process_trains(
    run, base, twice, small, tmp_path
):
    """FSDP2: noise, the adversary and the merge see slices of weights, and give what they give of whole ones."""
    fields = {"adapter": Adapter(rank=4), "neftune": 5.0, "fgm": 0.5, "max_steps": 4, "learning_rate": 1e-2}
    alone = run(out="alone", **fields)
    config = small(model=str(base), ledger=False, parallel="fsdp2", **fields)
    jobs = json.dumps([{"config": msgspec.to_builtins(config), "out": str(tmp_path / "sliced")}])
    script = [str(Path(__file__).with_name("train_on_ranks.py")), str(tmp_path / "results.json"), jobs]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *script, *map(str, twice)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    one, two = (weights(folder / "model") for folder in (alone.model.parent, tmp_path / "sliced"))
    for name, value in one.items():
        assert torch.allclose(value.float(), two[name].float(), atol=2e-2 * float(value.abs().max()))
    after = read_evaluations(tmp_path / "sliced/evaluation.json").after
    assert after.overall.loss == pytest.approx(alone.after.overall.loss, rel=1e-3)
