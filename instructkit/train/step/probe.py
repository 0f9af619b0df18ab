"""How fast a training will be, measured on its own model, data and device."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Plan
from instructkit.train.model.build import build_runner
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.step.parallel import make_parallel
from instructkit.train.step.ranks import Ranks
from instructkit.train.step.stepper import Stepper, no_batch
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
    parallel = make_parallel(runner, config, Ranks(), no_batch(runner, data))
    short = replace(plan, rows_per_step=max(1, min(plan.rows_per_step, PROBED_TOKENS // plan.capacity)))
    stepper = Stepper(
        parallel=parallel,
        optimizer=make_optimizer(runner.model, config),
        data=data,
        plan=short,
        config=config,
        before_update=adapted.before_update,
        after_update=adapted.after_update,
    )
    runner.model.train()
    stepper.step(0, short.step(0))
    rows = short.step(1) or short.step(0)
    began = _now(parallel.device)
    found = stepper.gradients(1, rows)
    done = _now(parallel.device)
    if found is None:
        raise TrainingError("out of memory with a micro-batch that fitted a moment ago; set micro_batch_sequences")
    stepper.update(1, found[0])
    cuda = parallel.device.type == "cuda"
    return Probe(
        device=torch.cuda.get_device_name() if cuda else f"{parallel.device.type}, {torch.get_num_threads()} threads",
        tokens_per_s=sum(int(data.lengths[row].sum()) for row in rows) / (done - began),
        update_s=_now(parallel.device) - done,
        peak_bytes=torch.cuda.max_memory_allocated() if cuda else None,
    )


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()
