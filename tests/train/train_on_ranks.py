"""Run as one or more ranks: trainings, one after the other. Says what it does, line by line."""

import json
import sys
from pathlib import Path

import msgspec
import torch

from instructkit.errors import TrainingError
from instructkit.train.config.training import Training
from instructkit.train.run import train
from instructkit.train.save.saves import Saves
from instructkit.train.step.ranks import joined


class Stop(Exception):
    pass


def stopping(save, after):
    def stop(self, step, line, last):
        save(self, step, line, last)
        if step == after:
            raise Stop

    return stop


def run(job, shards):
    """What a training gives; with `stop`, all ranks leave it behind the checkpoint of that step."""
    save = Saves.save
    Saves.save = stopping(save, job.get("stop"))
    try:
        done = train(
            msgspec.convert(job["config"], type=Training),
            shards,
            Path(job["out"]),
            dataset_hash="d",
            progress=lambda e: print(e.phase, e.done, e.message or "", flush=True),
        )
        return [done.steps, done.resumed_from, done.reused]
    except (Stop, TrainingError) as error:
        return [type(error).__name__, str(error), type(error.__cause__).__name__]
    finally:
        Saves.save = save


if __name__ == "__main__":
    torch.set_num_threads(1)
    path, jobs, *shards = sys.argv[1:]
    with joined():
        results = [run(job, [Path(shard) for shard in shards]) for job in json.loads(jobs)]
    Path(path).write_text(json.dumps(results))
