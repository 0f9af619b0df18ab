"""A training killed with SIGKILL, at any moment, goes on to the same bytes; on other ranks, in the same order."""

import json
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import polars as pl
import pytest

from instructkit.evaluate.result import read_evaluations
from instructkit.train.run import train
from instructkit.train.save.state import file_digest

SCRIPT = Path(__file__).with_name("train_on_ranks.py")
run_job = runpy.run_path(str(SCRIPT))["run"]


def job(config, out, stop=None):
    return {"config": msgspec.to_builtins(config), "out": str(out), "stop": stop}


@pytest.fixture
def start(environment, tmp_path):
    """Start a training in a process of its own."""

    def run(folder, config, shards):
        return subprocess.Popen(
            [sys.executable, SCRIPT, tmp_path / "results.json", json.dumps([job(config, folder)]), *shards],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "OMP_NUM_THREADS": "1"},
        )

    return run


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


SAME = ("step", "loss", "learning_rate", "gradient_norm", "tokens", "supervised_tokens", "fill", "validation_loss")
"""What a line says of the training, not of the machine's speed."""


def outcome(folder):
    """The model's bytes and the numbers of each step."""
    numbers = [{key: line[key] for key in SAME if key in line} for line in lines(folder)]
    return file_digest(folder / "model/model.safetensors"), numbers


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def test_a_training_killed_again_and_again_ends_bitwise_equal_to_one_that_was_not(small, shards, tmp_path, start):
    config = small(epochs=2.5, max_steps=None, checkpoint_every=3, evaluate_examples=5)
    steps = train(config, shards, tmp_path / "whole", dataset_hash="d").steps
    assert steps > 20  # two epoch boundaries lie within
    killed = tmp_path / "killed"
    began_at = []
    for stop_at in (2, 10, steps):  # before the first checkpoint, between two, after the last step
        process = start(killed, config, shards)
        first = 0
        for line in process.stdout:
            phase, done, *_ = line.split()
            if phase == "train" and int(done):
                first = first or int(done)
                if int(done) >= stop_at:
                    break
        kill(process)
        began_at.append(first)
    result = train(config, shards, killed, dataset_hash="d")
    assert began_at[:2] == [1, 1]
    assert 6 < began_at[2] <= 10  # really went on from a checkpoint
    assert result.resumed_from >= steps - 3
    assert outcome(killed) == outcome(tmp_path / "whole")


def test_a_training_killed_while_it_writes_checkpoints_ends_bitwise_equal_too(small, shards, tmp_path, start):
    """A checkpoint at every step takes most of the time: a random moment mostly lies within one."""
    config = small(max_steps=60, checkpoint_every=1, evaluate_examples=5, keep_checkpoints=2)
    train(config, shards, tmp_path / "whole", dataset_hash="d")
    killed, moments = tmp_path / "killed", random.Random(4)
    for _ in range(2):
        process = start(killed, config, shards)
        for line in process.stdout:
            if line.startswith("train") and int(line.split()[1]):
                time.sleep(moments.random() * 0.3)
                kill(process)
                break
    train(config, shards, killed, dataset_hash="d")
    assert outcome(killed) == outcome(tmp_path / "whole")


def test_a_run_goes_on_with_more_ranks_and_with_fewer(small, shards, tmp_path, on_ranks):
    """One rank, then two, then one: the same examples in each step, and so the same losses."""
    shape = {"epochs": 1.0, "max_steps": None, "checkpoint_every": 3, "evaluate_examples": 5, "evaluate_every": 4}
    shape |= {"ledger": True}
    configs = {kind: small(parallel=kind, **shape) for kind in ("ddp", "fsdp2")}
    alone = train(small(**shape), shards, tmp_path / "alone", dataset_hash="d")
    for kind, config in configs.items():
        assert run_job(job(config, tmp_path / kind, stop=3), shards)[0] == "Stop"
    jobs = [job(config, tmp_path / kind, stop=6) for kind, config in configs.items()]
    # Refused on all ranks at once, by the first; then a whole training on two ranks.
    jobs += [job(small(seed=1, **shape), tmp_path / "ddp"), job(small(**shape), tmp_path / "two")]
    for rank, results in enumerate(on_ranks(SCRIPT, 2, tmp_path / "said", json.dumps(jobs), *shards)):
        assert [result[0] for result in results] == ["Stop", "Stop", "TrainingError", alone.steps]
        assert "since then changed\n  seed: 0 → 1" in results[2][1]
        assert results[2][2] == ("NoneType" if rank == 0 else "SaidByTheFirst")
    for kind, config in configs.items():
        assert train(config, shards, tmp_path / kind, dataset_hash="d").resumed_from == 6
    expected = lines(tmp_path / "alone")
    for kind in (*configs, "two"):
        found = lines(tmp_path / kind)
        for key in ("step", "tokens", "supervised_tokens", "learning_rate"):
            assert [line[key] for line in found] == [line[key] for line in expected]
        for key in ("loss", "validation_loss", "gradient_norm"):
            known = [line[key] for line in expected if key in line]
            assert known
            assert [line[key] for line in found if key in line] == pytest.approx(known, rel=1e-4, abs=1e-5)
        after, before = (read_evaluations(tmp_path / k / "evaluation.json").after for k in (kind, "alone"))
        assert after.overall.loss == pytest.approx(before.overall.loss, rel=1e-4)
        mine, theirs = (pl.read_parquet(tmp_path / k / "ledger.parquet").explode("during") for k in (kind, "alone"))
        assert mine.select("id", "tokens", "class").equals(theirs.select("id", "tokens", "class"))
        for column in ("before", "after", pl.col("during").struct.field("step"), pl.col("during").struct.field("loss")):
            numbers = (ledger.select(column).to_series().to_list() for ledger in (mine, theirs))
            assert next(numbers) == pytest.approx(next(numbers), rel=1e-3, abs=1e-4)
