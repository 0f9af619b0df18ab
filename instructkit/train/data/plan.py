"""Which example stands where: a pure function of lengths, repeats, seed and epoch. No file, no state, no clock.

    capacity 8      examples of 5, 3, 6, 2, 4, 4 tokens

    row 0   5 5 5 5 5 3 3 3
    row 1   6 6 6 6 6 6 2 2
    row 2   4 4 4 4 4 4 4 4

An example is never cut. Rows are shuffled, and a step of the optimizer takes the next few: where a training stands is
one integer, the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from instructkit.hashing import uniform

WINDOW = 4096
"""Examples sorted by length at a time. Larger fills rows a little better, smaller varies more who shares a row."""

Indices = npt.NDArray[np.int64]


def epoch_examples(repeats: npt.NDArray[np.float64], seed: int, epoch: int) -> Indices:
    """Indices of an epoch's examples, shuffled. 2.5 repeats: twice, and a third time in every other epoch."""
    indices = np.arange(len(repeats))
    whole = np.floor(repeats).astype(np.int64)
    times = whole.copy()
    for i in np.flatnonzero(repeats > whole):
        times[i] += uniform(seed, "repeat", str(epoch), str(i)) < repeats[i] - whole[i]
    expanded = np.repeat(indices, times)
    draws = np.array([uniform(seed, "order", str(epoch), str(i)) for i in range(len(expanded))])
    return expanded[np.argsort(draws, kind="stable")]


def pack(lengths: npt.NDArray[np.int64], capacity: int, seed: int, epoch: int) -> list[Indices]:
    """Rows of indices into `lengths`, each row's lengths summing up to at most `capacity`; every index exactly once.

    Best fit, longest first within a window: each example goes into the fullest row that has room. Rows come shuffled.
    Raises ValueError for a length outside 1 to capacity.

    Source: best-fit decreasing, Johnson, Near-optimal bin packing algorithms (1973); for training rows: Ding et al.,
    Fewer Truncations Improve Language Modeling, arXiv:2404.10830.
    """
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= capacity):
        raise ValueError(f"lengths {lengths.min()} to {lengths.max()} do not fit rows of {capacity}")
    rows: list[list[int]] = []
    with_space: list[list[int]] = [[] for _ in range(capacity + 1)]
    # Bit s is set when some row has s tokens of space left: the fullest row with room is one shift away.
    spaces = 0
    for start in range(0, len(lengths), WINDOW):
        window = np.arange(start, min(start + WINDOW, len(lengths)))
        for i in window[np.argsort(-lengths[window], kind="stable")].tolist():
            length = int(lengths[i])
            fitting = spaces >> length
            if fitting:
                space = length + (fitting & -fitting).bit_length() - 1
                row = with_space[space].pop()
                if not with_space[space]:
                    spaces &= ~(1 << space)
            else:
                space, row = capacity, len(rows)
                rows.append([])
            rows[row].append(i)
            left = space - length
            if left:
                with_space[left].append(row)
                spaces |= 1 << left
    order = sorted(range(len(rows)), key=lambda r: uniform(seed, "row", str(epoch), str(r)))
    return [np.array(rows[r], dtype=np.int64) for r in order]


@dataclass(frozen=True)
class Plan:
    """The whole training: rows of examples in order, and how many of them make a step."""

    rows: list[Indices]
    rows_per_step: int
    steps: int
    fill: float
    """Tokens per cell of the rows, in [0, 1]; what is missing would be padding."""

    def step(self, number: int) -> list[Indices]:
        """The rows of a step, counted from 0."""
        return self.rows[number * self.rows_per_step : (number + 1) * self.rows_per_step]


def make_plan(
    lengths: npt.NDArray[np.int64],
    repeats: npt.NDArray[np.float64],
    *,
    capacity: int,
    rows_per_step: int,
    epochs: float,
    max_steps: int | None,
    seed: int,
) -> Plan:
    """The plan of a training. A last, part epoch takes its share of that epoch's rows."""
    rows: list[Indices] = []
    epoch = 0
    while epoch < epochs and (max_steps is None or len(rows) < max_steps * rows_per_step):
        chosen = epoch_examples(repeats, seed, epoch)
        packed = [chosen[row] for row in pack(lengths[chosen], capacity, seed, epoch)]
        share = min(1.0, epochs - epoch)
        rows += packed[: max(1, round(share * len(packed)))]
        epoch += 1
    steps = -(-len(rows) // rows_per_step)
    if max_steps is not None:
        steps = min(steps, max_steps)
    rows = rows[: steps * rows_per_step]
    tokens = sum(int(lengths[row].sum()) for row in rows)
    return Plan(rows, rows_per_step, steps, tokens / max(1, len(rows) * capacity))
