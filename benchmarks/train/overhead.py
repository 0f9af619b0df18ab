"""What a step costs beside its products: `python -m benchmarks.train.overhead PROJECT`.

The same micro-batches, forward and backward alone, and as steps of the trainer with batches made, losses counted,
gradients clipped and the optimizer run; the two take turns.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import msgspec

from benchmarks.train.project import SEQUENCE_LENGTH, TOKENS_PER_STEP, read_chats

ROUNDS = 6


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """Median seconds of a step."""

    bare_s: float
    step_s: float


def overhead(project: Path) -> Overhead:
    """Measure a few steps of the trainer and the same without it."""
    import numpy as np

    from instructkit.models.batch import Document
    from instructkit.models.load import load_model
    from instructkit.models.runner import make_runner
    from instructkit.train.build import make_stepper
    from instructkit.train.config.training import Training
    from instructkit.train.data.plan import example_keys, make_plan
    from instructkit.train.model.adapters import Adapted

    chats = read_chats(project / "tokens.npz")
    config = Training(examples="chats", model="model", sequence_length=SEQUENCE_LENGTH, tokens_per_step=TOKENS_PER_STEP)
    parts = [slice(*ends) for ends in pairwise(chats.starts.tolist())]
    weights = [(chats.labels[part] >= 0).astype(np.float32) for part in parts]
    ids = [str(i) for i in range(len(parts))]
    data: Any = SimpleNamespace(
        lengths=np.diff(chats.starts),
        supervised=np.array([int(w[1:].sum()) for w in weights]),
        loss_weights=np.array([w[1:].sum(dtype=np.float64) for w in weights]),
        example_ids=ids,
        document=lambda i: Document(chats.ids[parts[i]], weights[i]),
    )
    plan = make_plan(
        data.lengths,
        np.ones(len(parts)),
        keys=example_keys(ids),
        capacity=SEQUENCE_LENGTH,
        rows_per_step=TOKENS_PER_STEP // SEQUENCE_LENGTH,
        epochs=ROUNDS + 1,
        max_steps=ROUNDS + 1,
        seed=17,
    )
    runner = make_runner(load_model(str(project / "model")), int(data.lengths.max()))
    stepper = make_stepper(runner, Adapted(runner.model), config, data, plan)
    runner.model.train()
    bare, whole = [], []
    for number in range(plan.steps):
        rows = plan.step(number)
        stepper.size = stepper.size or stepper.first_size(rows)
        batches = [stepper.collate(examples) for examples in stepper.micro_batches(rows, stepper.size, 1)]
        start = time.perf_counter()
        for batch in batches:
            total, _ = runner.losses(batch)
            total.backward()  # type: ignore[no-untyped-call]
        bare.append(time.perf_counter() - start)
        stepper.optimizer.zero_grad(set_to_none=True)
        start = time.perf_counter()
        stepper.step(number, rows)
        whole.append(time.perf_counter() - start)
    return Overhead(bare_s=median(bare[1:]), step_s=median(whole[1:]))


if __name__ == "__main__":
    print(msgspec.json.encode(overhead(Path(sys.argv[1]))).decode())
