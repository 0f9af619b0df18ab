"""Shingles: the overlapping runs of words by which two texts are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

ShingleSet = npt.NDArray[np.uint64]


def shingle_set(units: Sequence[str], size: int, whole: str) -> ShingleSet:
    """Hashes (XXH3-64) of the runs of `size` units, sorted, each once.

    A text of fewer units than `size` has one shingle, all of it: it equals only a text of the very same units.
    A text without any unit (punctuation only, or nothing) has one shingle made of `whole`.
    """
    if len(units) < size:
        # \x1f in front keeps it apart from a shingle of the full size.
        text = "\x1f" + " ".join(units) if units else "\x1e" + whole
        return np.array([_hash(text)], dtype=np.uint64)
    runs = {" ".join(units[i : i + size]) for i in range(len(units) - size + 1)}
    return np.unique(np.fromiter(map(_hash, runs), dtype=np.uint64, count=len(runs)))


def jaccard(a: ShingleSet, b: ShingleSet) -> float:
    """Shared shingles over all shingles of two sets, in [0, 1]; two empty sets are equal."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    either = len(a) + len(b) - shared
    return shared / either if either else 1.0


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
