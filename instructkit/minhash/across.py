"""Near-duplicates between two sets of texts: each row of a corpus and the row of a reference that it is most like.

row      0 ..... references - 1 | references ..... rows - 1
         the reference          | the corpus                    pairs are looked for across the line only
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from instructkit.minhash.buckets import Pairs, distinct_pairs, packed, runs
from instructkit.minhash.clusters import Edges
from instructkit.minhash.duplicates import (
    NOBODY,
    ReadSets,
    RowNumbers,
    Standing,
    kinds,
    plausible_pairs,
    verified_pairs,
)
from instructkit.minhash.sketcher import Sketcher

COMPARED_WITH = 256
"""Rows of the reference in one bucket that a row of the corpus is compared with, at most."""
PAIRS_IN_CHUNK = 1 << 20
"""Pairs that are made at a time: 40 MB while they are."""


def nearest_across(
    sketcher: Sketcher,
    standing: Standing,
    references: int,
    bands: Iterable[npt.NDArray[np.uint64]],
    read_sets: ReadSets,
    threshold: float,
    *,
    absent: RowNumbers = NOBODY,
    folder: Path | None = None,
) -> Edges:
    """One edge for each row of the corpus that is like a row of the reference by `threshold` or more, by corpus row.

    `left` is the row of the reference that it is most like: the one with the same text, else the most similar of those
    it was compared with, the first where several are; `right` is the row of the corpus. `bands` gives the band hashes
    of all rows, a band at a time, and gives the arrays away; it is not read where there is nothing to look for.
    `absent` rows of the reference have no text and are like nobody. `folder`: as in `near_duplicates`.

    Copies, on either side, stand for one. Memory: about 30 bytes a row beside `standing`, and 40 a candidate pair.
    """
    alone, first, copy = kinds(standing.fingerprints, absent)
    same = (first < references) & (copy >= references)
    alike = Edges(NOBODY, NOBODY, np.empty(0, dtype=np.float64))
    if alone[:references].any() and alone[references:].any():
        plausible = plausible_pairs(sketcher, standing.bits, threshold)
        pairs = pairs_across(bands, standing.units, references, plausible, alone)
        alike = _best(verified_pairs(pairs, len(alone), read_sets, threshold, folder))
    again = first >= references
    of, copies = first[again], copy[again]
    places = np.searchsorted(alike.right, of)
    known = np.zeros(len(of), dtype=np.bool_)
    inside = places < len(alike.right)
    known[inside] = alike.right[places[inside]] == of[inside]
    places, copies = places[known], copies[known]
    right = np.concatenate([alike.right, copies, copy[same]])
    order = right.argsort()
    return Edges(
        np.concatenate([alike.left, alike.left[places], first[same]])[order],
        right[order],
        np.concatenate([alike.similarity, alike.similarity[places], np.ones(int(same.sum()))])[order],
    )


def _best(edges: Edges) -> Edges:
    """Of the edges of each right end the most similar, the one with the smallest left end where several are."""
    order = np.lexsort((edges.left, -edges.similarity, edges.right))
    right = edges.right[order]
    best = order[np.flatnonzero(np.diff(right, prepend=-1))]
    return Edges(edges.left[best], edges.right[best], edges.similarity[best])


def pairs_across(
    bands: Iterable[npt.NDArray[np.uint64]],
    units: npt.NDArray[np.uint32],
    references: int,
    plausible: Callable[[Pairs], Pairs],
    among: npt.NDArray[np.bool_] | None = None,
) -> Pairs:
    """Pairs of a row below `references` and one from there on that share a hash in some band and are plausible.

    Each once, sorted. `bands`, `units` and `among` are as in `candidate_pairs`. In a bucket each row of the
    corpus is paired with `COMPARED_WITH` rows of the reference at most, those next to it in length, so work grows with
    the bucket's rows of the corpus and not with the product of the two. What it costs: a row of a larger bucket that is
    alike, but further off in that order, is missed here and hangs on its other bands.
    """
    chunks = (pairs for hashes in bands for pairs in _pairs_of_band(hashes, units, references, among))
    return distinct_pairs(chunks, plausible)


def _pairs_of_band(
    hashes: npt.NDArray[np.uint64],
    units: npt.NDArray[np.uint32],
    references: int,
    among: npt.NDArray[np.bool_] | None,
) -> Iterator[Pairs]:
    rows, starts, sizes = runs(hashes, among)
    if not len(starts):
        return
    # Rows of a run ascend, so those of the reference come first.
    theirs = np.add.reduceat(rows < references, starts, dtype=np.int64)
    mixed = (theirs > 0) & (theirs < sizes)
    starts, sizes, theirs = starts[mixed], sizes[mixed], theirs[mixed]
    ours = sizes - theirs
    behind = np.cumsum(ours)
    run = np.repeat(np.arange(len(starts)), ours)
    corpus = rows[starts[run] + theirs[run] + np.arange(len(run)) - (behind - ours)[run]]
    begin, many = starts[run], np.minimum(theirs, COMPARED_WITH)[run]
    for large in np.flatnonzero(theirs > COMPARED_WITH):
        there = slice(starts[large], starts[large] + theirs[large])
        here = slice(behind[large] - ours[large], behind[large])
        # A stable sort: rows of one length stay in ascending order.
        rows[there] = rows[there][np.argsort(units[rows[there]], kind="stable")]
        lengths, wanted = units[rows[there]], units[corpus[here]]
        middle = (np.searchsorted(lengths, wanted, "left") + np.searchsorted(lengths, wanted, "right")) // 2
        begin[here] += np.clip(middle - COMPARED_WITH // 2, 0, theirs[large] - COMPARED_WITH)
    number = np.cumsum(many) // PAIRS_IN_CHUNK
    for some in np.split(np.arange(len(corpus)), np.flatnonzero(np.diff(number)) + 1):
        counts = many[some]
        member = np.repeat(some, counts)
        offset = np.arange(len(member)) - np.repeat(np.cumsum(counts) - counts, counts)
        yield packed(rows[begin[member] + offset], corpus[member])
