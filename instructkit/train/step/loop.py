"""The loop: forward, backward, step. The loss is normalised by the trained tokens of the whole step.

step        rows of the plan
micro-batch micro_batch_sequences of them: one forward and one backward
gradient    Σ over micro-batches of Σ w·nll / Σ w of the step      the same for every cut into micro-batches
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

from instructkit.errors import TrainingError
from instructkit.models.batch import Batch, groups
from instructkit.models.load import autocast, compute_dtype
from instructkit.models.runner import Runner
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Indices, Plan
from instructkit.train.step.optimizer import set_rates
from instructkit.train.watch.recorder import Recorder


class MicroBatch(NamedTuple):
    """A batch and the indices of its documents in the training data: `examples[i]` is the batch's document i."""

    batch: Batch
    examples: Indices


class Seen(NamedTuple):
    """What a step saw of some examples: sums over each one's trained tokens. n examples."""

    step: int
    """From 0."""
    examples: Indices
    """[n] indices in the training data."""
    loss: torch.Tensor
    """[n] float: weighted sums of token losses, in nats, from before the step."""
    weight: torch.Tensor
    """[n] float: sums of the weights."""


def micro_batches(rows: list[Indices], data: TrainingData, config: Training, runner: Runner) -> Iterator[MicroBatch]:
    """The rows of a step as batches of at most micro_batch_sequences × sequence_length cells."""
    size = config.micro_batch_sequences
    if runner.layout == "packed":
        for start in range(0, len(rows), size):
            chosen = np.concatenate(rows[start : start + size])
            yield MicroBatch(runner.collate([data.document(i) for i in chosen.tolist()]), chosen)
        return
    examples = np.concatenate(rows)
    for group in groups(data.lengths[examples].tolist(), size * config.sequence_length, runner.layout):
        chosen = examples[group]
        yield MicroBatch(runner.collate([data.document(i) for i in chosen.tolist()]), chosen)


def run_step(
    number: int,
    plan: Plan,
    data: TrainingData,
    runner: Runner,
    optimizer: torch.optim.Optimizer,
    config: Training,
    observe: Callable[[Seen], None] | None = None,
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[dict[str, float], int]:
    """One step of the optimizer; its numbers, and the cells that went through the model, padding included.

    `observe` is told the losses of the examples of each micro-batch; `waiting` is entered while batches are made.

    Raises TrainingError when the loss or gradient is not finite.
    """
    device = runner.model.device
    dtype = compute_dtype(config.precision, device)
    rows = plan.step(number)
    with waiting():
        batches = list(micro_batches(rows, data, config, runner))
    weight = sum(batch.weights.sum(dtype=torch.float64).item() for batch, _ in batches)
    loss = torch.zeros((), dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
    for batch, examples in batches:
        with autocast(device, dtype):
            total, nll = runner.losses(batch.to(device))
        (total / weight).backward()  # type: ignore[no-untyped-call]
        loss += total.detach() / weight
        if observe is not None:
            observe(_seen(number, batch, examples, nll))
    parameters = [p for p in runner.model.parameters() if p.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm or float("inf"))
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        names = ", ".join(data.example_ids[i] for row in rows[:1] for i in row[:3].tolist())
        raise TrainingError(
            f"step {number}: loss {loss.item()}, gradient norm {norm.item()}; not finite. Lower "
            f"learning_rate, or look at its examples ({names}, …)"
        )
    rate = set_rates(optimizer, number, plan.steps, config)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    numbers = {
        "loss": loss.item(),
        "learning_rate": rate,
        "gradient_norm": norm.item(),
        "tokens": sum(int(data.lengths[row].sum()) for row in rows),
        "supervised_tokens": sum(len(batch.targets) for batch, _ in batches),
    }
    return numbers, sum(batch.input_ids.numel() for batch, _ in batches)


def _seen(step: int, batch: Batch, examples: Indices, nll: torch.Tensor) -> Seen:
    owner, weights = batch.document.to(nll.device), batch.weights.to(nll.device)
    zeros = torch.zeros(len(examples), dtype=torch.float32, device=nll.device)
    return Seen(step, examples, zeros.index_add(0, owner, nll * weights), zeros.index_add(0, owner, weights))


def run_steps(
    start: int,
    plan: Plan,
    data: TrainingData,
    runner: Runner,
    optimizer: torch.optim.Optimizer,
    config: Training,
    recorder: Recorder,
    measure: Callable[[int], dict[str, Any]],
    save: Callable[[int], None],
) -> None:
    """Steps from `start` to the end of the plan, each of them recorded.

    `measure` and `save` are called with the number of steps done. What `measure` returns joins the line; `save` comes
    after the line is written, so a checkpoint never knows a step that the metrics do not.
    """
    runner.model.train()
    for number in range(start, plan.steps):
        recorder.begin()
        numbers, cells = run_step(number, plan, data, runner, optimizer, config, recorder.observe, recorder.waiting)
        rows = plan.step(number)
        lengths = data.lengths[np.concatenate(rows)]
        recorder.end(number + 1, numbers, lengths, cells, len(rows) * config.sequence_length)
        recorder.write(measure(number + 1))
        save(number + 1)
