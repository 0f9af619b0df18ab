"""Which example stands where: a pure function of ids, lengths, repeats, seed and epoch. No file, no state, no clock.

    capacity 8      examples of 5, 3, 6, 2, 4, 4 tokens

    row 0   5 5 5 5 5 3 3 3
    row 1   6 6 6 6 6 6 2 2
    row 2   4 4 4 4 4 4 4 4

An example is never cut. Rows are shuffled, and a step of the optimizer takes the next few: where a training stands is
one integer, the step. What an example is drawn by is its id, never its place in the shards: the same examples in other
shards are the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from instructkit.hashing import canonical_json

FULL = 0.98
SORTED_SHARES = (0.2, 1.0)
"""Parts of an epoch's examples that are placed longest first, behind the others in drawn order; the first that fills
rows to FULL is taken. All of them longest first fills rows best (99.9 instead of 99.7 % on chats), but makes rows of
long examples and rows of short ones, and so steps that differ more from one another than draws of examples do."""

COPY = np.uint64(0x9E3779B97F4A7C15)
"""Apart in the keys of an example's copies within an epoch (2^64 / golden ratio, odd)."""

Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


class Rows(NamedTuple):
    """Rows of examples, one behind the other: row r holds `examples[starts[r]:starts[r + 1]]`."""

    examples: Indices
    starts: Indices


def example_keys(ids: Iterable[str]) -> Keys:
    """[n] what examples are drawn by: XXH3, 64 bits, of their ids."""
    return np.fromiter((xxhash.xxh3_64_intdigest(i.encode("utf-8", "surrogatepass")) for i in ids), np.uint64)


def draws(keys: Keys, seed: int, *about: str) -> Keys:
    """[n] even 64-bit numbers that depend on each key, the seed and what is drawn only.

    Source of the mixing: Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014), with the constants
    of Stafford's variant 13.
    """
    mixed = keys ^ np.uint64(xxhash.xxh3_64_intdigest(canonical_json([seed, *about]).encode()))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def times_in_epoch(repeats: npt.NDArray[np.float64], keys: Keys, seed: int, epoch: int) -> Indices:
    """[n] how often an epoch holds each example. 2.5: twice or three times, and five times in any two epochs.

    What k epochs hold is k · repeats, rounded up or down: each example has a phase of its own.
    """
    phase = (draws(keys, seed, "repeat") >> np.uint64(11)) / 2.0**53
    return (np.floor(phase + (epoch + 1) * repeats) - np.floor(phase + epoch * repeats)).astype(np.int64)


def best_fit(lengths: Indices, capacity: int) -> Indices:
    """[n] the row that each length goes into, in the order given: the fullest row that has room, else a new one.

    Raises ValueError for a length outside 1 to capacity.

    Source: Johnson, Near-optimal bin packing algorithms (1973); for training rows: Ding et al., Fewer Truncations
    Improve Language Modeling, arXiv:2404.10830.
    """
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= capacity):
        raise ValueError(f"lengths {lengths.min()} to {lengths.max()} do not fit rows of {capacity}")
    placed: list[int] = []
    with_space: list[list[int]] = [[] for _ in range(capacity + 1)]
    # Bit s is set when some row has s tokens of space left: the fullest row with room is one shift away.
    spaces = rows = 0
    for length in lengths.tolist():
        fitting = spaces >> length
        if fitting:
            space = length + (fitting & -fitting).bit_length() - 1
            row = with_space[space].pop()
            if not with_space[space]:
                spaces &= ~(1 << space)
        else:
            space, row = capacity, rows
            rows += 1
        placed.append(row)
        left = space - length
        if left:
            with_space[left].append(row)
            spaces |= 1 << left
    return np.array(placed, dtype=np.int64)


def epoch_rows(
    lengths: Indices, repeats: npt.NDArray[np.float64], keys: Keys, capacity: int, seed: int, epoch: int
) -> Rows:
    """The rows of one epoch, shuffled; each row's lengths sum up to at most `capacity`.

    Independent of other epochs and of the order of the examples. Raises ValueError for a length that does not fit.
    """
    times = times_in_epoch(repeats, keys, seed, epoch)
    chosen = np.repeat(np.arange(len(times)), times)
    copy = np.arange(len(chosen)) - np.repeat(np.cumsum(times) - times, times)
    drawn = draws(keys[chosen] + copy.astype(np.uint64) * COPY, seed, "order", str(epoch))
    order = np.argsort(drawn, kind="stable")
    for share in SORTED_SHARES:
        last = len(order) - round(share * len(order))
        longest_first = np.argsort(-lengths[chosen[order[last:]]], kind="stable")
        order = np.concatenate([order[:last], order[last:][longest_first]])
        placed = best_fit(lengths[chosen[order]], capacity)
        if lengths[chosen].sum() >= FULL * capacity * (placed.max(initial=-1) + 1):
            break
    by_row = np.argsort(placed, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(placed))]).astype(np.int64)
    # A row is drawn by its first example, so that here too no index counts.
    shuffled = np.argsort(draws(drawn[order[by_row[starts[:-1]]]], seed, "row"), kind="stable")
    return _take_rows(Rows(chosen[order[by_row]], starts), shuffled)


def _take_rows(rows: Rows, wanted: Indices) -> Rows:
    """Some rows, in the order wanted."""
    sizes = np.diff(rows.starts)[wanted]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.arange(starts[-1]) + np.repeat(rows.starts[wanted] - starts[:-1], sizes)
    return Rows(rows.examples[places], starts)


@dataclass(frozen=True)
class Plan:
    """The whole training: rows of examples in order, and how many of them make a step.

    The last step takes what rows are left. Its loss is the mean over its own tokens, like that of every step.
    """

    packed: Rows
    capacity: int
    rows_per_step: int
    steps: int
    fill: float
    """Tokens per cell of the rows, in [0, 1]; what is missing would be padding."""

    @property
    def rows(self) -> list[Indices]:
        """The examples of each row."""
        return [self._row(n) for n in range(len(self.packed.starts) - 1)]

    def step(self, number: int) -> list[Indices]:
        """The rows of a step, counted from 0."""
        first = number * self.rows_per_step
        return [self._row(n) for n in range(first, min(first + self.rows_per_step, len(self.packed.starts) - 1))]

    def met(self, steps: int) -> Indices:
        """The examples of the first steps, in order, as often as they come up."""
        rows = min(steps * self.rows_per_step, len(self.packed.starts) - 1)
        return self.packed.examples[: self.packed.starts[rows]]

    def step_sums(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """[steps] sum of a value of each example over the examples of each step; n values, one an example."""
        running = np.concatenate([[0.0], np.cumsum(values[self.packed.examples], dtype=np.float64)])
        ends = np.minimum(np.arange(self.steps + 1) * self.rows_per_step, len(self.packed.starts) - 1)
        return np.diff(running[self.packed.starts[ends]])

    def _row(self, number: int) -> Indices:
        return self.packed.examples[self.packed.starts[number] : self.packed.starts[number + 1]]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A plan in numbers, over all of its epochs."""

    steps: int
    rows_per_step: int
    fill: float
    examples: int
    """There are so many."""
    examples_seen: int
    """Of which so many come up at least once."""
    examples_in_all: int
    """With repeats and epochs."""
    tokens: int
    supervised_tokens: int
    least_supervised_in_step: int

    def line(self) -> str:
        """In words."""
        unseen = "" if self.examples_seen == self.examples else f" ({self.examples_seen:,} of them come up)"
        often = "" if self.examples_in_all == self.examples else f", {self.examples_in_all:,} with repeats and epochs"
        steps = "1 step" if self.steps == 1 else f"{self.steps:,} steps"
        return (
            f"{self.examples:,} examples{unseen}{often}; {steps} of {self.tokens / self.steps:,.0f} tokens, "
            f"{self.supervised_tokens / self.steps:,.0f} of them supervised (at least "
            f"{self.least_supervised_in_step:,}); rows {self.fill:.1%} full"
        )


def figures(plan: Plan, lengths: Indices, supervised: Indices) -> Figures:
    """The numbers of a plan with steps; `supervised`: [n] trained tokens of each example."""
    in_step = plan.step_sums(supervised)
    shown = plan.packed.examples
    return Figures(
        steps=plan.steps,
        rows_per_step=plan.rows_per_step,
        fill=plan.fill,
        examples=len(lengths),
        examples_seen=int(np.count_nonzero(np.bincount(shown, minlength=len(lengths)))),
        examples_in_all=len(shown),
        tokens=int(lengths[shown].sum()),
        supervised_tokens=int(in_step.sum()),
        least_supervised_in_step=int(in_step.min()),
    )


def make_plan(
    lengths: Indices,
    repeats: npt.NDArray[np.float64],
    *,
    keys: Keys | None = None,
    capacity: int,
    rows_per_step: int,
    epochs: float,
    max_steps: int | None,
    seed: int,
) -> Plan:
    """The plan of a training. A last, part epoch takes its share of that epoch's rows.

    `keys`: of `example_keys`; None: examples are known by their places. Raises ValueError for lengths that do not fit.
    """
    known = np.arange(len(lengths), dtype=np.uint64) if keys is None else keys
    examples: list[Indices] = []
    sizes: list[Indices] = []
    rows, epoch = 0, 0
    while epoch < epochs and (max_steps is None or rows < max_steps * rows_per_step):
        packed = epoch_rows(lengths, repeats, known, capacity, seed, epoch)
        whole = len(packed.starts) - 1
        taken = min(whole, max(1, round(min(1.0, epochs - epoch) * whole)))
        if max_steps is not None:
            taken = min(taken, max_steps * rows_per_step - rows)
        examples.append(packed.examples[: packed.starts[taken]])
        sizes.append(np.diff(packed.starts[: taken + 1]))
        rows += taken
        epoch += 1
    flat = np.concatenate([np.zeros(0, dtype=np.int64), *examples])
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, dtype=np.int64), *sizes]))]).astype(np.int64)
    steps = -(-rows // rows_per_step)
    return Plan(Rows(flat, starts), capacity, rows_per_step, steps, int(lengths[flat].sum()) / max(1, rows * capacity))
