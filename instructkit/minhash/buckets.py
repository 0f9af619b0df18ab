"""Candidate pairs: texts that share a band hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

Pairs = npt.NDArray[np.uint64]
"""Pairs i < j of rows as one number each, i in the upper 32 bits; sorted, each once."""

ALL_PAIRS_UP_TO = 128
"""Members of a bucket that are all compared with one another: at most 8,128 pairs."""
HUBS = 16
"""Members of a larger bucket that all its others are compared with: one of each sixteenth in order of length."""
LOTS = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that rows times this modulo 2^64 are numbers in a mixed order, no two the same."""
NEIGHBOURS = 16
"""How many members of a larger bucket, next in length, each is compared with."""
PAIRS_AT_ONCE = 1 << 22
"""Pairs gathered before repeats are taken out: 32 MB."""

ROWS_AT_ONCE = 1 << 20
"""Rows whose hashes are compared with the next ones at a time."""


def candidate_pairs(
    bands: Iterable[npt.NDArray[np.uint64]],
    units: npt.NDArray[np.uint32],
    plausible: Callable[[Pairs], Pairs],
    among: npt.NDArray[np.bool_] | None = None,
) -> Pairs:
    """Pairs of rows that share a hash in some band and are plausible, each once, sorted.

    `bands` gives the band hashes of all rows, shape (rows,), a band at a time; only one is held, and it is overwritten.
    `units` is the length of each text, shape (rows,). `among`: which rows to look at; None: all.

    In a bucket of more than `ALL_PAIRS_UP_TO` rows each is paired with `HUBS` of them and with its `NEIGHBOURS` in
    length only, so work grows with the bucket and not with its square. Texts as alike as the thresholds in use differ
    little in length. What it costs: two texts of such a bucket that are alike, but neither to a hub nor near in length,
    are missed here and hang on their other bands.
    """
    return distinct_pairs((pairs for hashes in bands for pairs in _pairs_of_band(hashes, units, among)), plausible)


def distinct_pairs(chunks: Iterable[Pairs], plausible: Callable[[Pairs], Pairs]) -> Pairs:
    """The plausible ones of pairs that come in chunks, each once, sorted."""
    found = [np.empty(0, dtype=np.uint64)]
    gathered = 0
    for pairs in chunks:
        found.append(plausible(pairs))
        gathered += len(found[-1])
        if gathered > PAIRS_AT_ONCE:
            found = [_distinct(found)]
            gathered = 0
    return _distinct(found)


def _distinct(found: list[Pairs]) -> Pairs:
    pairs: Pairs = np.concatenate(found)
    pairs.sort()  # np.unique would hash, which takes five times as long
    new = np.ones(len(pairs), dtype=np.bool_)
    new[1:] = pairs[1:] != pairs[:-1]
    return pairs[new]


def unpacked(pairs: Pairs) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The left and the right row of each pair."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def packed(left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> Pairs:
    """Pairs from their rows, in any order of the two; neither sorted nor without repeats."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    pairs: Pairs = low.astype(np.uint64) << np.uint64(32) | high.astype(np.uint64)
    return pairs


def runs(
    hashes: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that share their hash with another: (rows, starts, sizes), run after run, each run in ascending order.

    `among`: which rows to look at; None: all. Overwrites `hashes`: with millions of rows each further array counts.

    The row takes the place of a hash's lower bits, so that sorting numbers is enough. Hashes that differ in these bits
    only are taken for equal: n^3 / 2^65 pairs of n rows by chance, 30 of ten million.
    """
    room = max(len(hashes) - 1, 1).bit_length()
    mask = np.uint64((1 << room) - 1)
    hashes &= ~mask
    hashes |= np.arange(len(hashes), dtype=np.uint64)
    ordered = hashes if among is None or among.all() else hashes[among]
    ordered.sort()
    shares = np.zeros(len(ordered), dtype=np.bool_)
    for at in range(0, len(ordered), ROWS_AT_ONCE):
        some = ordered[at : at + ROWS_AT_ONCE + 1]
        same = (some[1:] ^ some[:-1]) <= mask
        shares[at + 1 : at + len(some)] |= same
        shares[at : at + len(some) - 1] |= same
    ordered = ordered[shares]
    opens = np.flatnonzero((ordered[1:] ^ ordered[:-1]) > mask) + 1
    starts = np.concatenate([[0], opens])[: len(ordered)].astype(np.int64)
    return (ordered & mask).astype(np.int64), starts, np.diff(starts, append=len(ordered))


def _pairs_of_band(
    hashes: npt.NDArray[np.uint64], units: npt.NDArray[np.uint32], among: npt.NDArray[np.bool_] | None
) -> Iterator[Pairs]:
    rows, starts, sizes = runs(hashes, among)
    for size in np.flatnonzero(np.bincount(sizes)):
        members = starts[sizes == size]
        if size <= ALL_PAIRS_UP_TO:
            left, right = np.triu_indices(int(size), k=1)
            for some in np.array_split(members, len(members) * len(left) // PAIRS_AT_ONCE + 1):
                yield packed(rows[some[:, None] + left], rows[some[:, None] + right]).ravel()
        else:
            for start in members:
                gathered: list[Pairs] = []
                for pairs in _pairs_of_large_bucket(rows[start : start + size], units):
                    gathered.append(pairs)
                    if len(gathered) * size > PAIRS_AT_ONCE:
                        yield np.concatenate(gathered)
                        gathered = []
                if gathered:
                    yield np.concatenate(gathered)


def _pairs_of_large_bucket(rows: npt.NDArray[np.int64], units: npt.NDArray[np.uint32]) -> Iterator[Pairs]:
    rows = rows[np.lexsort((rows, units[rows]))]
    # By lot, and the same lots in every band: the buckets that alike texts share in each band have nearly the same rows
    # but not quite. Hubs by their places in the bucket would be others in each, and the pairs as many times as many.
    lots = rows.astype(np.uint64) * LOTS
    least = np.minimum.reduceat(lots, np.linspace(0, len(rows), HUBS, endpoint=False).astype(np.int64))
    for hub in rows[np.isin(lots, least)]:
        yield packed(np.full(len(rows), hub), rows)[rows != hub]
    for step in range(1, NEIGHBOURS + 1):
        yield packed(rows[:-step], rows[step:])
