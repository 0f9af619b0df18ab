"""Locality-sensitive hashing: how many bands and rows, and which texts share a band.

signature of num_perm minima     | 12 7 3 | 5 88 1 | 40 2 9 | ...     bands of `rows` minima each
band hashes                      |  h1    |  h2    |  h3    | ...     two texts are compared
when one band hash is equal
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

PairArray = npt.NDArray[np.int64]
"""Shape (pairs, 2), each row (i, j) with i < j."""

ALL_PAIRS_UP_TO = 32
"""Members of a bucket that are all compared with one another: at most 496 pairs."""
HUBS = 16
"""Members of a larger bucket that all its others are compared with."""


def catch_probability(similarity: float, bands: int, rows: int) -> float:
    """Probability that LSH compares two documents at all.

    1 - (1 - s**rows) ** bands, with s the Jaccard similarity in [0, 1].
    Example: s=0.8, bands=14, rows=8 -> 0.924.

    Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.
    """
    return float(1 - (1 - similarity**rows) ** bands)


def bands_and_rows(threshold: float, num_perm: int, recall: float) -> tuple[int, int] | None:
    """The strictest banding that still compares a pair at exactly the threshold with probability `recall`.

    More rows a band give fewer useless comparisons; what they would miss is the limit. None: `num_perm` minima cannot
    reach that recall. Example: threshold 0.8, 128 minima, recall 0.95 -> 18 bands of 7 rows (0.985), since 16 of 8 give
    0.947.
    """
    for rows in range(num_perm, 0, -1):
        if catch_probability(threshold, num_perm // rows, rows) >= recall:
            return num_perm // rows, rows
    return None


def candidate_pairs(bands: npt.NDArray[np.uint64]) -> PairArray:
    """Pairs of rows that share a band hash, each pair once, sorted.

    `bands` has shape (texts, bands). In a bucket of more than `ALL_PAIRS_UP_TO` texts every text is paired with the
    first `HUBS` and with its neighbour only, so work grows with the bucket and not with its square. What that costs:
    two texts of such a bucket that are alike, but like none of the hubs, are missed here and hang on their other bands.
    """
    found = [pairs for band in range(bands.shape[1]) for pairs in _pairs_of_band(bands[:, band])]
    if not found:
        return np.empty((0, 2), dtype=np.int64)
    return np.unique(np.concatenate(found), axis=0)


def _pairs_of_band(hashes: npt.NDArray[np.uint64]) -> Iterator[PairArray]:
    order = np.argsort(hashes, kind="stable")  # stable: members of a bucket stay in row order
    ordered = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.empty(0, int)
    sizes = np.diff(np.append(starts, len(ordered)))
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        yield _pairs_of_bucket(order[start : start + size].astype(np.int64))


def _pairs_of_bucket(members: PairArray) -> PairArray:
    if len(members) <= ALL_PAIRS_UP_TO:
        left, right = np.triu_indices(len(members), k=1)
        return np.stack([members[left], members[right]], axis=1)
    others = members[HUBS:]
    hubs = _pairs_of_bucket(members[:HUBS])
    spokes = np.stack([np.repeat(members[:HUBS], len(others)), np.tile(others, HUBS)], axis=1)
    neighbours = np.stack([others[:-1], others[1:]], axis=1)
    return np.concatenate([hubs, spokes, neighbours])
