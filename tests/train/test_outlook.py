import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.models.runner import make_runner
from instructkit.train.config.adapter import Adapter
from instructkit.train.config.scratch import Scratch
from instructkit.train.data.load import load
from instructkit.train.data.source import open_source
from instructkit.train.model.adapters import _AdaptiveRanks
from instructkit.train.model.prepare import prepare_model
from instructkit.train.outlook import outlook
from instructkit.train.run import train
from instructkit.train.step.memory import count_memory
from instructkit.train.watch.progress import silent

SHAPE = {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 360}


@pytest.fixture
def look(shards, tmp_path, small):
    def go(probe=False, data=None, progress=None, **fields):
        return outlook(small(**fields), data or shards, tmp_path / "run", probe=probe, progress=progress)

    return go


@pytest.mark.parametrize("fields", [{"max_steps": None, "epochs": 1.4}, {"max_steps": 3, "overlong": "cut-prompt"}])
def test_the_steps_told_beforehand_are_those_that_are_made(look, shards, small, tmp_path, fields):
    told = look(**fields)
    said = []
    done = train(small(**fields), shards, tmp_path / "run", dataset_hash="d", progress=said.append)
    assert told.figures.steps == done.steps
    tokens = [e for e in said if e.phase == "tokenize"]
    assert [e.message for e in tokens] == ["tokens are those of an earlier run"]
    assert [e.message for e in said if e.message == told.figures.line()]


def test_of_the_runs_folder_only_the_cache_is_written_to(look, tmp_path):
    look()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["cache"]


def test_what_would_be_refused_is_told(look):
    told = look(sequence_length=16)
    assert "do not fit sequence_length 16" in told.refused
    assert told.lines()[-1].startswith("would be refused: ")
    assert told.as_json()["refused"] == told.refused


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_counted_as_autograd_keeps_them(shards, small, tmp_path, precision):
    """The same forward pass with numbers in it, and what it really keeps."""
    config = small(precision=precision)
    chat, source = open_source(config, shards, ["d"], tmp_path, silent)
    data, _ = load(source, config, tmp_path, silent)
    plan = data.plan(config)
    told = count_memory(config, chat, data, plan)

    runner = make_runner(prepare_model(config, chat), 128)
    runner.model.train()
    own = {p.untyped_storage().data_ptr() for p in runner.model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    documents = [data.document(i) for row in plan.step(0) for i in row.tolist()]
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        runner.losses(runner.collate(documents))
    assert told.activations == sum(storage.nbytes() for storage in kept.values())
    assert told.parameters == told.trained == runner.model.num_parameters()
    assert told.state == 16 * told.parameters
    assert told.micro_batch_tokens == sum(len(d.ids) for d in documents)


def test_recomputing_needs_less_memory_and_more_rows_need_more(look):
    plain, recomputed, one = (
        look(**fields).memory.activations
        for fields in ({}, {"activation_checkpointing": True}, {"micro_batch_sequences": 1})
    )
    assert recomputed < plain / 2
    assert one < plain / 2


def test_a_model_whose_activations_cannot_be_counted_says_so_and_the_rest_is_told(look):
    """Which expert a token is sent to depends on numbers."""
    experts = Scratch(architecture="mixtral", hidden_size=32, layers=2, heads=2, vocab_size=360)
    told = look(model=experts)
    assert told.memory.activations is None
    assert told.memory.state == 16 * told.memory.parameters > 0
    assert "activations cannot be counted beforehand for this model" in told.lines()[-2]


def test_a_probe_tells_the_time_and_leaves_no_trace(look, tmp_path):
    told = look(probe=True)
    figures, probe = told.figures, told.probe
    assert told.seconds == figures.tokens / probe.tokens_per_s + figures.steps * probe.update_s > 0
    assert told.lines()[-1].startswith("time about ")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["cache"]
    assert look().lines()[-1] == "time: --probe measures some micro-batches"


def test_of_an_adapter_only_its_own_weights_need_gradient_and_optimizer(look, shards, small, tmp_path):
    base = train(small(max_steps=1), shards, tmp_path / "base", dataset_hash="d").model
    told = look(model=str(base), adapter=Adapter(rank=2)).memory
    assert 0 < told.trained < told.parameters / 5
    assert told.state == 16 * told.trained + 4 * (told.parameters - told.trained)
    assert told.activations > 0


def test_a_model_that_cannot_be_trained_so_is_told(look, shards, small, tmp_path):
    base = train(small(max_steps=1), shards, tmp_path / "base", dataset_hash="d").model
    told = look(model=str(base), adapter=Adapter(targets=["q_prj"]))
    assert "no matrix of the model is called 'q_prj'" in told.refused
    assert told.figures is None


def test_what_the_base_model_cannot_do_is_told_before_an_example_is_read(look, shards, small, tmp_path):
    base = train(small(max_steps=1), shards, tmp_path / "base", dataset_hash="d").model
    told = look(model=str(base), sequence_length=256)
    assert "has positions for 128 tokens" in told.refused
    assert told.lines() == [f"would be refused: {told.refused}"]
    assert told.as_json()["refused"] == told.refused
    with pytest.raises(TrainingError, match="has positions for 128 tokens"):
        train(small(model=str(base), sequence_length=256), shards, tmp_path / "run", dataset_hash="d")
    assert not list(tmp_path.glob("run/cache/tokens-*"))


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"model": Scratch(architecture="t5", **SHAPE), "neftune": 5.0}, "neftune: of an encoder-decoder"),
        ({"model": Scratch(architecture="ctrl", **SHAPE), "activation_checkpointing": True}, "cannot do it"),
        ({"export": "best", "evaluate_every": 10_000}, "export: best: looks at validation losses"),
    ],
)
def test_what_the_steps_would_trip_over_is_told(look, fields, refusal):
    assert refusal in look(**fields).refused


def test_a_probe_that_fails_is_a_refusal(look, monkeypatch):
    def refuse(*_):
        raise TrainingError("no room")

    monkeypatch.setattr("instructkit.train.outlook.measure", refuse)
    assert look(probe=True).refused == "no room"


def test_a_probe_does_for_an_adapter_what_its_steps_do(look, shards, small, tmp_path, monkeypatch):
    base = train(small(max_steps=1), shards, tmp_path / "base", dataset_hash="d").model
    allocate, steps = _AdaptiveRanks.allocate, []

    def counted(ranks, step):
        steps.append(step)
        allocate(ranks, step)

    monkeypatch.setattr(_AdaptiveRanks, "allocate", counted)
    told = look(probe=True, model=str(base), adapter=Adapter(kind="adalora", rank=2), max_steps=20)
    assert told.refused is None
    assert steps == [0, 1]
