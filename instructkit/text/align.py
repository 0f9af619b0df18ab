"""Aligning two sequences in bounded work: which stretches of one stand in the other, in order.

    old   a b c d e f          a stretch, then what lies between two stretches
    new   a b x d e e f        Stretch(0, 0, 2)  Stretch(3, 3, 2)  Stretch(5, 6, 1)

Stretches at both ends come first, then grams that stand once in each sequence (patience diff, which Bram Cohen
described), longest grams first, and what is left between them goes to Myers' greedy algorithm ("An O(ND) Difference
Algorithm and Its Variations", 1986). That is quadratic in the worst case, so its steps are counted: what no steps are
left for has no stretches. The alignment is then coarser and still true.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Items = npt.NDArray[np.int64]

GRAMS = (16, 4, 1)
"""Lengths of the grams that are looked for. Long ones are seldom there by chance; single items are the last resort."""
SMALL = 400
"""Items in both windows together, up to which Myers' algorithm is best: at most 80,000 steps, some 20 ms."""
MOST_EDITS = 1000
"""Edits up to which Myers' algorithm looks for an alignment of one window: it keeps half their square in memory."""
STEPS = 5_000_000
"""Steps of Myers' algorithm in all, one or two seconds."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing; 2**64 / golden ratio


class Stretch(NamedTuple):
    """`size` items from `old` on equal those from `new` on."""

    old: int
    new: int
    size: int


class _Window(NamedTuple):
    """Items of the old sequence from a to a_end, of the new from b to b_end, and which of GRAMS to look for."""

    a: int
    a_end: int
    b: int
    b_end: int
    level: int

    @property
    def size(self) -> int:
        return self.a_end - self.a + self.b_end - self.b


def align(old: Items, new: Items, steps: int = STEPS) -> list[Stretch]:
    """Stretches of equal items, in order in both sequences, without overlap and as long as they go."""
    found: list[Stretch] = []
    windows = [_Window(0, len(old), 0, len(new), 0)]
    while windows:
        window = _trim(old, new, windows.pop(), found)
        if window.a == window.a_end or window.b == window.b_end:
            continue
        anchors: list[Stretch] = []
        level = window.level
        if window.size > SMALL:
            while level < len(GRAMS) and not anchors:
                anchors = _anchors(old, new, window, GRAMS[level])
                level += not anchors
        if anchors:
            found += anchors
            windows += reversed(_between(window, anchors, level))
            continue
        a, b = old[window.a : window.a_end].tolist(), new[window.b : window.b_end].tolist()
        stretches, used = _myers(a, b, min(steps, MOST_EDITS * MOST_EDITS // 2 + 2 * window.size))
        steps -= used
        found += [Stretch(window.a + i, window.b + j, size) for i, j, size in stretches]
    return _joined(sorted(found))


def _trim(old: Items, new: Items, window: _Window, found: list[Stretch]) -> _Window:
    """The window without what is equal at its ends, which is found."""
    a, a_end, b, b_end, level = window
    head = _shared(old[a:a_end], new[b:b_end])
    if head:
        found.append(Stretch(a, b, head))
    a, b = a + head, b + head
    tail = _shared(old[a:a_end][::-1], new[b:b_end][::-1])
    if tail:
        found.append(Stretch(a_end - tail, b_end - tail, tail))
    return _Window(a, a_end - tail, b, b_end - tail, level)


def _shared(one: Items, other: Items) -> int:
    """How many items are equal from the beginning."""
    length = min(len(one), len(other))
    unequal = one[:length] != other[:length]
    return int(unequal.argmax()) if unequal.any() else length


def _anchors(old: Items, new: Items, window: _Window, size: int) -> list[Stretch]:
    """Grams that stand once in either part of the window, as many as stand in one order, each as long as it goes."""
    a, a_end, b, b_end, _ = window
    one, other = _single(old[a:a_end], size), _single(new[b:b_end], size)
    _, nth, other_nth = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    in_old, in_new = one[1][nth] + a, other[1][other_nth] + b
    # The hashes of two grams may be equal by chance.
    same = np.ones(len(in_old), dtype=bool)
    for k in range(size):
        same &= old[in_old + k] == new[in_new + k]
    in_old, in_new = in_old[same], in_new[same]
    order = np.argsort(in_old)
    pairs = zip(in_old[order].tolist(), in_new[order].tolist(), strict=True)
    anchors = []
    for i, j in _rising(list(pairs)):
        if i >= a and j >= b:  # else it is part of the anchor before
            length = _stretch_from(old, new, i, a_end, j, b_end)
            anchors.append(Stretch(i, j, length))
            a, b = i + length, j + length
    return anchors


def _single(items: Items, size: int) -> tuple[npt.NDArray[np.uint64], Items]:
    """Hashes of the grams of `size` items that stand once, and where."""
    count = max(0, len(items) - size + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for k in range(size):
        hashes = (hashes + items[k : k + count].astype(np.uint64) + np.uint64(1)) * MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    values, places, counts = np.unique(hashes, return_index=True, return_counts=True)
    return values[counts == 1], places[counts == 1].astype(np.int64)


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of the pairs, which are sorted by the first, that rises in the second."""
    tails: list[int] = []  # the least second that a rising run of each length may end in
    ends: list[int] = []  # and the pair it belongs to
    before: list[int] = []
    for n, (_, second) in enumerate(pairs):
        length = bisect_left(tails, second)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [second]
        ends[length : length + 1] = [n]
    chosen = []
    n = ends[-1] if ends else -1
    while n >= 0:
        chosen.append(pairs[n])
        n = before[n]
    return chosen[::-1]


def _stretch_from(old: Items, new: Items, i: int, i_end: int, j: int, j_end: int) -> int:
    """Length of the stretch that begins at i and j."""
    # In leaps that double: most anchors are short, some go on for a million items.
    length, leap = 0, 32
    while True:
        part = min(leap, i_end - i - length, j_end - j - length)
        same = _shared(old[i + length : i + length + part], new[j + length : j + length + part])
        length += same
        if same < leap:
            return length
        leap *= 2


def _between(window: _Window, anchors: Sequence[Stretch], level: int) -> list[_Window]:
    """The windows that anchors leave."""
    windows = []
    a, b = window.a, window.b
    for i, j, size in [*anchors, Stretch(window.a_end, window.b_end, 0)]:
        if i > a and j > b:
            windows.append(_Window(a, i, b, j, level))
        a, b = i + size, j + size
    return windows


def _myers(a: list[int], b: list[int], steps: int) -> tuple[list[Stretch], int]:
    """Stretches of an alignment with the fewest edits, none when that takes more steps; and the steps taken.

    A diagonal is a place in a minus the place in b; for each, `furthest` holds how far into a so many edits lead.
    """
    most = min(len(a) + len(b), MOST_EDITS)
    middle = most + 1
    furthest = [0] * (2 * most + 3)
    history: list[list[int]] = []  # what was furthest before each number of edits, from diagonal -edits - 1 on
    used = 0
    for edits in range(most + 1):
        history.append(furthest[middle - edits - 1 : middle + edits + 2])
        for k in range(-edits, edits + 1, 2):
            start, _ = _step(history[-1], edits, k)
            x = start
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            furthest[middle + k] = x
            if x >= len(a) and x - k >= len(b):
                return _walk_back(history, len(a), len(b)), used
            used += 1 + x - start
            if used > steps:
                return [], used
    return [], used


def _step(furthest: list[int], edits: int, k: int) -> tuple[int, int]:
    """Where the last of so many edits leads to on diagonal k, and the diagonal it comes from.

    From k - 1 it removes an item of a, from k + 1 it adds one of b. The first is no edit: it comes from k itself.
    """
    if edits == 0:
        return 0, k
    removed, added = furthest[k + edits] + 1, furthest[k + edits + 2]
    if k == -edits or (k != edits and removed <= added):
        return added, k + 1
    return removed, k - 1


def _walk_back(history: list[list[int]], x: int, y: int) -> list[Stretch]:
    """The stretches on the way from the end to the beginning."""
    stretches = []
    for edits in range(len(history) - 1, -1, -1):
        k = x - y
        start, origin = _step(history[edits], edits, k)
        if x > start:
            stretches.append(Stretch(start, start - k, x - start))
        x = start if origin > k else start - 1
        y = x - origin
    return stretches


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """Stretches without a gap in either sequence become one."""
    joined: list[Stretch] = []
    for i, j, size in stretches:
        if joined and (joined[-1].old + joined[-1].size, joined[-1].new + joined[-1].size) == (i, j):
            joined[-1] = Stretch(joined[-1].old, joined[-1].new, joined[-1].size + size)
        else:
            joined.append(Stretch(i, j, size))
    return joined
