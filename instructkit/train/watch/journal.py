"""What each rank saw of each example, appended while a training runs; the ledger is made of it.

    ledger/rank-0.bin     step  example  loss  weight      16 bytes a record, in the order of the steps
                             0       17  41.2    12.0      before the first step
                             1       17  40.8    12.0      met in step 1
                           301       17   3.1    12.0      after step 300, the last

A step's records are on disk before its checkpoint is, so that a run which goes on cuts what is run again and misses
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from instructkit.train.step.stepper import Seen

RECORD = np.dtype([("step", "<i4"), ("example", "<i4"), ("loss", "<f4"), ("weight", "<f4")])
"""`example`: index in the training data; `loss`, `weight`: sums over its supervised tokens."""
BEFORE = 0
"""The step of what was measured before the first."""

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Journal:
    """The file of one rank, cut to the steps that are done."""

    def __init__(self, folder: Path, done: int, *, rank: int = 0, ranks: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"rank-{rank}.bin"
        # A run may go on with fewer ranks: the first of them cuts the files of those that are gone.
        gone = [p for p in folder.glob("rank-*.bin") if int(p.stem[5:]) >= ranks] if rank == 0 else []
        for path in (self.path, *gone):
            _cut(path, done)
        self._seen: list[Seen] = []

    def observe(self, seen: Seen) -> None:
        """Take note of a micro-batch; stays on its device until `flush`."""
        self._seen.append(seen)

    def add(self, step: int, examples: npt.NDArray[np.int64], loss: Floats, weight: Floats) -> None:
        """Append the sums of some examples."""
        records = np.empty(len(examples), dtype=RECORD)
        records["step"], records["example"], records["loss"], records["weight"] = step, examples, loss, weight
        with self.path.open("ab") as file:
            file.write(records.tobytes())

    def flush(self) -> None:
        """Write what was seen; called once a step, before its checkpoint is saved."""
        for seen in self._seen:
            self.add(seen.step + 1, seen.examples, seen.loss.cpu().numpy(), seen.weight.cpu().numpy())
        self._seen.clear()


def _cut(path: Path, done: int) -> None:
    """Leave the steps up to `done`; nothing where no step is done, and no half record."""
    if not path.exists():
        return
    steps = np.fromfile(path, dtype=RECORD)["step"]
    kept = int(np.searchsorted(steps, done, side="right")) if done else 0
    with path.open("r+b") as file:
        file.truncate(kept * RECORD.itemsize)


def read_journal(folder: Path) -> pl.DataFrame:
    """The records of all ranks: example, step (Int64), loss (the mean over the example's supervised tokens), weight.

    One row for each example and step, sorted by both, however the work was spread over ranks and micro-batches.
    """
    parts: Sequence[npt.NDArray[np.void]] = [np.fromfile(p, dtype=RECORD) for p in sorted(folder.glob("rank-*.bin"))]
    records = np.concatenate([np.empty(0, dtype=RECORD), *parts])
    frame = pl.DataFrame({name: records[name] for name in RECORD.names or ()})
    sums = frame.group_by("example", "step").agg(pl.col("loss", "weight").cast(pl.Float64).sum())
    means = sums.select(pl.col("example", "step").cast(pl.Int64), pl.col("loss") / pl.col("weight"), "weight")
    return means.sort("example", "step")
