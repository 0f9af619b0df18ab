"""From sketches to verified pairs: the decision that the stages and `instructkit dedupe` share.

fingerprints ──▶ copies, each joined to the first of its kind ───────────────────────────────┐
bands of the first ones, one at a time ──▶ candidates ── plausible? ──▶ shingle sets ──▶ edges
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.errors import StageError
from instructkit.minhash.banding import bits_apart
from instructkit.minhash.buckets import Pairs, candidate_pairs, runs, unpacked
from instructkit.minhash.clusters import Edges, joined
from instructkit.minhash.sketcher import ShingleSets, Sketcher, kernels
from instructkit.minhash.verify import Spool

RowNumbers = npt.NDArray[np.int64]
ReadSets = Callable[[RowNumbers], Iterable[tuple[RowNumbers, ShingleSets]]]
"""Reads the texts of some rows (sorted, each once) again: their shingle sets in chunks, in any order."""

NOBODY: RowNumbers = np.empty(0, dtype=np.int64)

MOST_ROWS = 1 << 32
"""A pair of rows is one number of 64 bits."""
PAIRS_VERIFIED_AT_ONCE = 1 << 20
"""Pairs of which the verification holds some 100 bytes each."""


class Standing(NamedTuple):
    """The part of the sketches that is held for all rows at once, 36 bytes a row; see `Sketches`."""

    units: npt.NDArray[np.uint32]
    fingerprints: npt.NDArray[np.uint64]
    bits: npt.NDArray[np.uint64]


class Found(NamedTuple):
    """Pairs that are as alike as was asked, and what it took to find them."""

    edges: Edges
    copies: int
    """Rows with the fingerprint of an earlier one; they hang on the first of them only."""
    verified: int
    """Pairs of others that shared a band, were plausible and were compared shingle by shingle."""


def near_duplicates(
    sketcher: Sketcher,
    standing: Standing,
    bands: Iterable[npt.NDArray[np.uint64]],
    read_sets: ReadSets,
    threshold: float,
    *,
    absent: RowNumbers = NOBODY,
    folder: Path | None = None,
) -> Found:
    """Pairs of rows whose similarity is `threshold` or more, each verified by its shingle sets.

    `bands` gives the band hashes of all rows, shape (rows,), a band at a time, and gives the array away. Row
    numbers must be canonical: which rows of a very large bucket are compared depends on them. `absent` rows have no
    text and are like nobody. `folder` is where shingle sets of candidates are spooled, some 8 bytes a word.

    Memory: about 30 bytes a row beside `standing`, and 40 a candidate pair.
    """
    alone, first, copy = kinds(standing.fingerprints, absent)
    plausible = plausible_pairs(sketcher, standing.bits, threshold)
    pairs = candidate_pairs(bands, standing.units, plausible, alone)
    del alone
    alike = verified_pairs(pairs, standing.fingerprints.shape[1], read_sets, threshold, folder)
    edges = Edges(
        np.concatenate([alike.left, first]),
        np.concatenate([alike.right, copy]),
        np.concatenate([alike.similarity, np.ones(len(copy))]),
    )
    return Found(edges, len(copy), len(pairs))


def verified_pairs(pairs: Pairs, count: int, read_sets: ReadSets, threshold: float, folder: Path | None) -> Edges:
    """The pairs whose similarity is `threshold` or more; `count` is the number of rows that there are."""
    caught = np.zeros(count, dtype=np.bool_)
    for rows in unpacked(pairs):
        caught[rows] = True
    wanted = np.flatnonzero(caught)
    del caught
    with Spool(wanted, folder) as spool:
        for some, sets in read_sets(wanted) if len(wanted) else ():
            spool.add(some, sets)
        slabs = np.array_split(pairs, len(pairs) // PAIRS_VERIFIED_AT_ONCE + 1)
        return joined([spool.verified(slab, threshold) for slab in slabs])


def kinds(
    fingerprints: npt.NDArray[np.uint64], absent: RowNumbers
) -> tuple[npt.NDArray[np.bool_], RowNumbers, RowNumbers]:
    """Whether each row is the first with its fingerprint; then, for each that is not, the first and itself.

    Raises StageError for more than `MOST_ROWS` rows.
    """
    if fingerprints.shape[1] > MOST_ROWS:
        raise StageError(
            f"{fingerprints.shape[1]:,} rows, expected {MOST_ROWS:,} at most; remove duplicates part by part first"
        )
    alone = np.ones(fingerprints.shape[1], dtype=np.bool_)
    alone[absent] = False
    rows, _, _ = runs(fingerprints[0].copy(), alone)
    order = np.lexsort((rows, fingerprints[1, rows], fingerprints[0, rows]))
    rows = rows[order]
    again = np.zeros(len(rows), dtype=np.bool_)
    again[1:] = (fingerprints[:, rows[1:]] == fingerprints[:, rows[:-1]]).all(axis=0)
    first = rows[np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))]
    alone[rows[again]] = False
    return alone, first[again], rows[again]


def plausible_pairs(sketcher: Sketcher, bits: npt.NDArray[np.uint64], threshold: float) -> Callable[[Pairs], Pairs]:
    """A function that keeps the pairs whose sketches differ in few bits, see `bits_apart`."""
    most = bits_apart(threshold, sketcher.bits, sketcher.missed)

    def plausible(pairs: Pairs) -> Pairs:
        left, right = unpacked(pairs)
        result = np.empty(len(pairs), dtype=np.bool_)
        kernels().plausible(bits, left, right, most, result)
        return pairs[result]

    return plausible
