"""Several processes that train one model: which one this is, what only the first does, what all of them must know.

    torchrun --nproc-per-node 2 …     rank 0   reads, writes, evaluates, reports; trains its share
                                      rank 1   waits for that, maps what was written; trains its share

A process alone is rank 0 of 1, and pays nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist

from instructkit.errors import InstructkitError

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long a rank waits for what rank 0 does alone: a build may take days. When a process dies, torchrun ends all."""
STEP_PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others inside a step."""


class SaidByTheFirst(Exception):
    """Cause of an error that every rank raises: rank 0 reports it, so this one need not."""


@dataclass(frozen=True)
class Ranks:
    """Those that train together, and which of them this process is."""

    rank: int = 0
    size: int = 1
    control: Any = None
    """Process group for messages between hosts' memories; None for a process alone."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def alone(self, work: Callable[[], T]) -> T:
        """What `work` gives on rank 0, or its error, on every rank; the others wait. Either must pickle."""
        if self.size == 1:
            return work()
        outcome: list[Any] = [None, None]
        if self.first:
            try:
                outcome[0] = work()
            except InstructkitError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0, group=self.control)
        if outcome[1] is not None:
            self.give_up(outcome[1])
        return outcome[0]  # type: ignore[no-any-return]

    def in_turn(self, work: Callable[[], T]) -> T:
        """What `work` gives; rank 0 goes first, so that the others find what it left on the disk."""
        mine: list[T] = []
        self.alone(lambda: mine.append(work()))
        return mine[0] if mine else work()

    def give_up(self, error: InstructkitError) -> NoReturn:
        """Raise an error that every rank raises at this point."""
        raise error from (None if self.first else SaidByTheFirst())

    def every(self, value: T) -> list[T]:
        """The value of each rank, in order of rank, on all of them. It must pickle."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Sums over the ranks, in float64; the same bits on all of them."""
        if self.size == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(tensor, group=self.control)
        return tensor.tolist()


_joined: Ranks | None = None


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that this process belongs to: torchrun's, as its environment says, else itself alone.

    Entered again inside, it gives the same. On CUDA each rank takes the device of its local rank.
    """
    global _joined
    if _joined is not None or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield _joined or Ranks()
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=STEP_PATIENCE)
    control = dist.new_group(backend="gloo", timeout=PATIENCE)
    _joined = Ranks(dist.get_rank(), dist.get_world_size(), control)
    failed = True
    try:
        yield _joined
        failed = False
    finally:
        _joined = None
        # After an error other ranks may be in the middle of something, for which NCCL would wait.
        if ours and not (failed and cuda):
            dist.destroy_process_group()


def is_lost(error: RuntimeError) -> bool:
    """Whether an error says that another rank has ended."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
