"""Which groups go where: by places on a line from 0 to 1, or in whole groups to an exact number of rows.

0 ──────── train ──────── 0.8 ─ validation ─ 0.9 ─ test ─ 1
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FREED_FIRST = 16
"""Groups that are given back before others are tried in their place; four times as many each time."""


class Unreachable(Exception):  # a signal to the caller, who knows what the number is about
    """No groups together have so many rows; `below` and `above` are the nearest numbers that some have."""

    def __init__(self, below: int, above: int | None) -> None:
        super().__init__(below, above)
        self.below, self.above = below, above


def by_place(places: Floats, shares: Sequence[float]) -> Ints:
    """The number of the split in whose interval each place of [0, 1) lies; shape (groups,)."""
    ends = list(accumulate(shares))
    found = np.searchsorted(ends, places, side="right")
    last = max(number for number, share in enumerate(shares) if share)
    return np.minimum(found, last)  # the shares sum to a hair below 1


def around_circles(strata: Ints, places: Floats, sizes: Ints, offsets: Floats) -> Floats:
    """Places in [0, 1) that share out each stratum evenly: its groups, in the order of `places`, lie on a circle around
    which the stratum's rows go once, each at the middle of its arc. All of shape (groups,), but `offsets` (strata,):
    where each circle begins.

    So an interval has its share of each stratum to within the arc of one group. Offsets drawn by lot let strata of a
    few rows fill small splits as often as they should (systematic sampling: Cochran, Sampling Techniques, chapter 8).
    """
    order = np.lexsort((places, strata))
    size = sizes[order].astype(np.float64)
    through = np.cumsum(size)
    first = np.searchsorted(strata[order], np.arange(len(offsets)))
    before = np.concatenate([[0.0], through])[first]
    totals = np.bincount(strata, weights=sizes, minlength=len(offsets))
    of = strata[order]
    result = np.empty(len(order))
    result[order] = ((through - size / 2 - before[of]) / totals[of] + offsets[of]) % 1.0
    return result


def exactly(sizes: Ints, target: int) -> Mask:
    """Which groups, of `sizes` rows in the order in which they are wanted, have `target` rows together.

    The first ones are taken as long as they fit; where that leaves a gap, as few of the last ones as can be are given
    back for others (subset sum over the sizes). Raises Unreachable when there is no such choice at all.
    """
    taken = _greedy(sizes, target)
    order = np.flatnonzero(taken)
    gap, freed = target - int(sizes[taken].sum()), FREED_FIRST
    while gap:
        back = order[-freed:]
        free = ~taken
        free[back] = True
        pool = np.flatnonzero(free)
        whole = freed >= len(order)
        wanted = gap + int(sizes[back].sum())
        found = _subset(sizes[pool], wanted, nearest=whole)
        if isinstance(found, tuple):
            raise Unreachable(*found)
        if found is not None:
            taken[back] = False
            taken[pool[found]] = True
            break
        freed *= 4
    return taken


def _greedy(sizes: Ints, target: int) -> Mask:
    through = np.cumsum(sizes)
    first = int(np.searchsorted(through, target, side="right"))
    taken = np.zeros(len(sizes), dtype=np.bool_)
    taken[:first] = True
    left = target - (int(through[first - 1]) if first else 0)
    for at in range(first, len(sizes)):
        if not left:
            break
        if sizes[at] <= left:
            taken[at] = True
            left -= int(sizes[at])
    return taken


def _subset(sizes: Ints, target: int, nearest: bool) -> Ints | tuple[int, int | None] | None:
    """Numbers of groups with `target` rows together, the first ones of each size; None when there are none. `nearest`:
    then the next smaller and the next larger number of rows that some have, in place of None.

    The sums that can be reached are the bits of one whole number. Many groups of a size are taken in lots of 1, 2, 4 …
    of them, so there are few steps: sizes that differ are at most the square root of twice the rows.
    """
    different, counts = np.unique(sizes, return_counts=True)
    bound = (1 << (target + (int(different[-1]) if nearest and len(different) else 0) + 1)) - 1
    reached, steps = 1, []
    for size, count in zip(different.tolist(), counts.tolist(), strict=True):
        lot = 1
        while count and (nearest or not reached >> target & 1):
            lot = min(lot, count)
            new = (reached << size * lot) & bound & ~reached
            steps.append((size, lot, new))
            reached |= new
            count -= lot
            lot *= 2
    if not reached >> target & 1:
        above = reached >> (target + 1)
        next_larger = target + (above & -above).bit_length() if above else None
        return ((reached & ((1 << target) - 1)).bit_length() - 1, next_larger) if nearest else None
    many: dict[int, int] = {}
    for size, lot, new in reversed(steps):
        # A sum that a lot was the first to reach is that lot and a sum that was reached before.
        if new >> target & 1:
            many[size] = many.get(size, 0) + lot
            target -= size * lot
    return np.concatenate([np.flatnonzero(sizes == size)[:count] for size, count in many.items()] or [sizes[:0]])
