"""The loop: step after step, each of them recorded, measured where that is due, saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from instructkit.train.step.stepper import Stepper
from instructkit.train.watch.recorder import Recorder

Line = dict[str, Any]
"""A line of metrics.jsonl."""


def run_steps(
    stepper: Stepper,
    done: int,
    recorder: Recorder,
    measured: list[Line],
    *,
    measure: Callable[[int], Line],
    stop: Callable[[list[Line]], bool],
    save: Callable[[int, Line, bool], None],
) -> int:
    """Steps after `done` to the end of the plan, or until `stop`, each of them recorded. How many are done.

    Every rank runs it, and gets the same from each of these, which are called with the number of steps done: `measure`,
    whose numbers join the line of the step; `stop`, with `measured`, the lines so far that have a `validation_loss`,
    so that it decides the same after a resume; `save`, told whether this step is the last. That comes after the line is
    written, so no checkpoint knows a step that the metrics do not.
    """
    stepper.parallel.runner.model.train()
    capacity = stepper.config.sequence_length
    stopped = stop(measured)
    while done < stepper.plan.steps and not stopped:
        recorder.begin()
        rows = stepper.plan.step(done)
        numbers, cells = stepper.step(done, rows)
        done += 1
        lengths = stepper.data.lengths[np.concatenate(rows)]
        recorder.end(done, numbers, lengths, cells, len(rows) * capacity)
        found = measure(done)
        recorder.write(found)
        if "validation_loss" in found:
            measured.append(found)
            stopped = stop(measured)
        save(done, found, stopped or done == stepper.plan.steps)
    return done
