"""What a step costs beside its products: `python -m benchmarks.train.overhead SHAPE PROJECT`.

The same micro-batches, forward and backward alone, and as steps of the trainer with batches made, losses counted,
gradients clipped and the optimizer run; the two take turns.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks.train.project import SEQUENCE_LENGTH, TOKENS_PER_STEP, read_chats

ROUNDS = 6


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """Median seconds of a step."""

    bare_s: float
    step_s: float


def overhead(shape: str, project: Path) -> Overhead:
    """Measure a few steps of the trainer and the same without it."""
    import numpy as np

    from instructkit.models.load import load_model
    from instructkit.models.runner import make_runner
    from instructkit.train.config.training import Training
    from instructkit.train.data.load import TrainingData
    from instructkit.train.data.plan import make_plan
    from instructkit.train.step.loop import micro_batches, run_step
    from instructkit.train.step.optimizer import make_optimizer

    chats = read_chats(project / "tokens.npz")
    config = Training(examples="chats", model=shape, sequence_length=SEQUENCE_LENGTH, tokens_per_step=TOKENS_PER_STEP)
    data: Any = TrainingData(
        ids=chats.ids,
        weights=(chats.labels >= 0).astype(np.float32),
        starts=chats.starts,
        repeats=np.ones(len(chats)),
        example_ids=[str(i) for i in range(len(chats))],
    )
    plan = make_plan(
        data.lengths,
        data.repeats,
        capacity=SEQUENCE_LENGTH,
        rows_per_step=TOKENS_PER_STEP // SEQUENCE_LENGTH,
        epochs=1,
        max_steps=ROUNDS + 1,
        seed=17,
    )
    model = load_model(str(project / shape))
    runner = make_runner(model, int(data.lengths.max()))
    optimizer = make_optimizer(model, config)
    model.train()
    bare, whole = [], []
    for number in range(plan.steps):
        batches = [batch for batch, _ in micro_batches(plan.step(number), data, config, runner)]
        start = time.perf_counter()
        for batch in batches:
            total, _ = runner.losses(batch)
            total.backward()  # type: ignore[no-untyped-call]
        bare.append(time.perf_counter() - start)
        optimizer.zero_grad(set_to_none=True)
        start = time.perf_counter()
        run_step(number, plan, data, runner, optimizer, config)
        whole.append(time.perf_counter() - start)
    return Overhead(bare_s=median(bare[1:]), step_s=median(whole[1:]))


if __name__ == "__main__":
    print(msgspec.json.encode(overhead(sys.argv[1], Path(sys.argv[2]))).decode())
