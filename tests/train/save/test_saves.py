"""Which checkpoints a real training keeps, and which weights become its model."""

import json

import pytest

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
