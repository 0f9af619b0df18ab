"""Which checkpoints a real training keeps, and which weights become its model."""

import json

import pytest
from transformers import AutoModelForCausalLM

from instructkit.errors import TrainingError
from instructkit.evaluate.run import evaluate
from instructkit.train.config.stopping import EarlyStopping
from instructkit.train.run import train
from instructkit.train.save import checkpoint

WILD = {
    "max_steps": 12,
    "learning_rate": 3.0,
    "schedule": "constant",
    "warmup": 0.0,
    "clip_norm": None,
    "evaluate_every": 2,
}
"""Soon worse than it was: the last weights are not the best."""


class Stop(Exception):
    pass


def losses(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["validation_loss"] for line in lines if "validation_loss" in line}


def test_the_best_weights_become_the_model(small, shards, tmp_path):
    said = []
    config = small(export="best", checkpoint_every=None, evaluate_examples=None, **WILD)
    result = train(config, shards, tmp_path / "run", dataset_hash="d", progress=said.append)
    found = losses(tmp_path / "run")
    step = min(found, key=lambda n: (found[n], n))
    assert step < max(found)
    said = next(e.message for e in said if e.phase == "export")
    assert said == f"the best weights, of step {step}: {found[step]:.4f}"
    again = evaluate(result.model, shards, split="validation", limit=None)
    assert again.overall.loss == pytest.approx(found[step], rel=1e-4)


def test_the_best_stay_beside_the_latest_and_a_stopped_run_goes_on_to_the_same_end(small, shards, tmp_path):
    def stop(event):
        if event.phase == "train" and event.done == 9:
            raise Stop

    config = small(keep_best=2, checkpoint_every=5, evaluate_examples=5, export="best", **WILD)
    train(config, shards, tmp_path / "whole", dataset_hash="d")
    with pytest.raises(Stop):
        train(config, shards, tmp_path / "run", dataset_hash="d", progress=stop)
    found = losses(tmp_path / "run")
    lowest = sorted(n for _, n in sorted((loss, n) for n, loss in found.items())[:2])
    kept = [checkpoint.read_about(path).step for path in checkpoint.checkpoints(tmp_path / "run/checkpoints")]
    assert set(lowest) <= set(kept)
    assert len(kept) <= 3
    assert train(config, shards, tmp_path / "run", dataset_hash="d").resumed_from == max(kept)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    assert not (tmp_path / "run/checkpoints").exists()


def test_an_early_stop_is_the_same_after_a_resume(small, shards, tmp_path):
    def stop(event):
        if event.phase == "train" and event.done == 5:
            raise Stop

    config = small(early_stopping=EarlyStopping(patience=1), checkpoint_every=3, evaluate_examples=5, **WILD)
    whole = train(config, shards, tmp_path / "whole", dataset_hash="d")
    assert whole.steps < 12
    with pytest.raises(Stop):
        train(config, shards, tmp_path / "run", dataset_hash="d", progress=stop)
    assert train(config, shards, tmp_path / "run", dataset_hash="d").steps == whole.steps
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


@pytest.mark.parametrize("best", [None, 2])
def test_the_mean_is_of_what_was_due_and_of_the_last_step_however_early_it_came(small, shards, tmp_path, best):
    said = []
    config = small(
        early_stopping=EarlyStopping(patience=1),
        average_checkpoints=3,
        checkpoint_every=5,
        keep_best=best,
        evaluate_examples=5,
        **WILD,
    )
    result = train(config, shards, tmp_path / "run", dataset_hash="d", progress=said.append)
    assert result.steps < 12
    steps = [n for n in (5, 10) if n < result.steps] + [result.steps]
    assert len(steps) < 3
    names = ", ".join(map(str, steps))
    assert f"the mean of the weights of steps {names}" in [event.message for event in said]
    note = f"average_checkpoints: 3 are asked for, but there were only {len(steps)}, of steps {names}"
    assert note in result.notes
    weights = AutoModelForCausalLM.from_pretrained(result.model).get_input_embeddings().weight
    assert weights.any()


def test_the_best_are_those_of_the_slice_that_early_stopping_watches(small, shards, tmp_path):
    said = []
    watch = EarlyStopping(slice="template=ask1", patience=9)
    config = small(export="best", early_stopping=watch, evaluate_examples=5, **WILD)
    train(config, shards, tmp_path / "run", dataset_hash="d", progress=said.append)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    found = {line["step"]: line["validation"]["template"]["ask1"] for line in lines if "validation" in line}
    step = min(found, key=lambda n: (found[n], n))
    message = next(e.message for e in said if e.phase == "export")
    assert message == f"the best weights, of step {step}: {found[step]:.4f}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"export": "best"}, "export: best: looks at validation losses, and evaluate_every is 7 in a training of 6 st"),
        ({"early_stopping": EarlyStopping()}, "early_stopping: looks at validation losses, and evaluate_every is 7"),
    ],
)
def test_what_no_validation_loss_would_decide_is_refused_before_any_step(small, shards, tmp_path, fields, message):
    with pytest.raises(TrainingError, match=message):
        train(small(evaluate_every=7, **fields), shards, tmp_path / "run", dataset_hash="d")
    assert not (tmp_path / "run/evaluation.json").exists()


def test_the_best_of_no_validation_split_is_refused(small, colours, write_shards, tmp_path):
    data = write_shards([e for e in colours(100) if e.split == "train"])
    with pytest.raises(TrainingError, match=r"export: best: .* no example is of split 'validation'"):
        train(small(evaluate_every=2, export="best"), data, tmp_path / "run", dataset_hash="d")
