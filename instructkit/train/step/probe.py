"""How fast a training will be, measured on its own model, data and device."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.train.build import build_runner, make_stepper
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Plan
from instructkit.train.watch.peak import synchronize

PROBED_TOKENS = 4096
"""The probe stops after so many tokens, or after one step where that is less."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Measured on the real model and device."""

    device: str
    tokens_per_s: float
    update_s: float
    """Of one optimizer step, without forward and backward."""
    peak_bytes: int | None
    """Largest allocation; None where the device does not tell."""


def measure(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> Probe:
    """Make two short steps of the training, the second by the clock. Raises TrainingError."""
    runner, adapted = build_runner(config, chat, data, plan)
    short = replace(plan, rows_per_step=max(1, min(plan.rows_per_step, PROBED_TOKENS // plan.capacity)))
    stepper = make_stepper(runner, adapted, config, data, short)
    device = stepper.parallel.device
    runner.model.train()
    stepper.step(0, short.step(0))
    rows = short.step(1) or short.step(0)
    began = _now(device)
    found = stepper.gradients(1, rows)
    done = _now(device)
    if found is None:
        raise TrainingError("out of memory with a micro-batch that fitted a moment ago; set micro_batch_sequences")
    stepper.update(1, found[0])
    cuda = device.type == "cuda"
    return Probe(
        device=torch.cuda.get_device_name() if cuda else f"{device.type}, {torch.get_num_threads()} threads",
        tokens_per_s=sum(int(data.lengths[row].sum()) for row in rows) / (done - began),
        update_s=_now(device) - done,
        peak_bytes=torch.cuda.max_memory_allocated() if cuda else None,
    )


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()
