"""A training process killed with SIGKILL, at several moments, goes on to the same bytes."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.train.run import train
from instructkit.train.save.state import file_digest

SCRIPT = """
import sys
from pathlib import Path
import msgspec, torch
from instructkit.train.config.training import Training
from instructkit.errors import TrainingError
from instructkit.train.run import train

torch.set_num_threads(1)
folder, config, shards = Path(sys.argv[1]), sys.argv[2], [Path(p) for p in sys.argv[3:]]
train(msgspec.json.decode(config, type=Training), shards, folder, dataset_hash="d",
      progress=lambda e: print(e.phase, e.done, flush=True))
"""


def start(folder, config, shards):
    command = [sys.executable, "-c", SCRIPT, str(folder), msgspec.json.encode(config).decode(), *map(str, shards)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcome(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    numbers = [line.split('"seconds"')[0] for line in lines]
    return file_digest(folder / "model/model.safetensors"), numbers


def test_a_training_killed_again_and_again_ends_bitwise_equal_to_one_that_was_not(small, shards, tmp_path):
    config = small(epochs=2.5, max_steps=None, checkpoint_every=3, evaluate_examples=5)
    steps = train(config, shards, tmp_path / "whole", dataset_hash="d").steps
    assert steps > 20  # two epoch boundaries lie within
    killed = tmp_path / "killed"
    began_at = []
    for stop_at in (2, 10, steps):  # before the first checkpoint, between two, after the last step
        process = start(killed, config, shards)
        first = 0
        for line in process.stdout:
            phase, done = line.split()
            if phase == "train" and int(done):
                first = first or int(done)
                if int(done) >= stop_at:
                    break
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        began_at.append(first)
    result = train(config, shards, killed, dataset_hash="d")
    assert began_at[:2] == [1, 1]
    assert 6 < began_at[2] <= 10  # really went on from a checkpoint
    assert result.resumed_from >= steps - 3
    assert outcome(killed) == outcome(tmp_path / "whole")


def test_a_checkpoint_half_written_is_not_taken_for_one(small, shards, tmp_path):
    class Stop(Exception):
        pass

    def stop_at_five(event):
        if event.phase == "train" and event.done == 5:
            raise Stop

    config = small(checkpoint_every=2)
    with pytest.raises(Stop):
        train(config, shards, tmp_path / "run", dataset_hash="d", progress=stop_at_five)
    (half,) = (tmp_path / "run/checkpoints").iterdir()
    assert half.name == "step-00000004"
    beside = half.with_name(".writing-00000006")
    beside.mkdir()
    (beside / "state.pt").write_bytes(b"half")
    result = train(config, shards, tmp_path / "run", dataset_hash="d")
    assert result.resumed_from == 4
    assert not (tmp_path / "run/checkpoints").exists()


def test_only_so_many_checkpoints_are_kept(small, shards, tmp_path):
    seen = set()

    def look(event):
        folder = tmp_path / "run/checkpoints"
        if folder.exists():
            seen.add(len(list(folder.iterdir())))

    train(small(checkpoint_every=1, keep_checkpoints=2), shards, tmp_path / "run", dataset_hash="d", progress=look)
    assert max(seen) == 2


def test_weights_alone_are_loaded_from_a_checkpoint(tmp_path):
    """A checkpoint from elsewhere must not run code."""
    from instructkit.train.save import checkpoint

    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    checkpoint.save(tmp_path, step=1, key="k", model=model, optimizer=optimizer, keep=1)
    torch.save({"step": 1, "key": "k", "model": print}, tmp_path / "step-00000001/state.pt")
    with pytest.raises(TrainingError, match=r"cannot be read \((.|\n)*[Ww]eights.?only"):
        checkpoint.restore(tmp_path / "step-00000001", key="k", model=model, optimizer=optimizer)
