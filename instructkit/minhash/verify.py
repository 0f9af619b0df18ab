"""Verifying candidate pairs by their real similarity, with bounded memory.

texts, a chunk at a time ──▶ shingle sets ──▶ spool on disk ──▶ pairs, a batch at a time ──▶ Jaccard
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

from instructkit.errors import StageError
from instructkit.minhash.buckets import Pairs, unpacked
from instructkit.minhash.clusters import Edges
from instructkit.minhash.sketcher import ShingleSets, kernels
from instructkit.minhash.threads import in_threads

SHINGLES_AT_ONCE = 2_000_000
"""Shingles of a batch of pairs: 16 MB of the spool, or one pair of longer texts."""
SHINGLES_MAPPED = 12_000_000
"""Shingles looked at before the spool is let go from memory: at most 100 MB of it, and a batch for each thread."""


class Spool:
    """Shingle sets of some rows, on disk; the file has no name, so nothing is left of it whatever happens."""

    def __init__(self, rows: npt.NDArray[np.int64], folder: Path | None = None) -> None:
        """`rows` sorted, each once: whose sets will be added. `folder`: where there is room; None: the system's."""
        self.rows = rows
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by __exit__
        self._starts = np.full(len(rows), -1, dtype=np.int64)
        self._ends = np.full(len(rows), -1, dtype=np.int64)
        self._written = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: npt.NDArray[np.int64], sets: ShingleSets) -> None:
        """Keep the sets of rows, in the order of both."""
        places = np.searchsorted(self.rows, rows)
        self._starts[places] = self._written + sets.starts[:-1]
        self._ends[places] = self._written + sets.starts[1:]
        octets = sets.hashes.data.cast("B")
        while len(octets):
            octets = octets[self._file.write(octets) :]
        self._written += len(sets.hashes)

    def verified(self, pairs: Pairs, threshold: float) -> Edges:
        """The pairs whose Jaccard similarity (shared shingles over all shingles of the two) is `threshold` or more.

        Raises StageError when a row's set was never added.
        """
        if (self._starts < 0).any():
            raise StageError(f"row {self.rows[self._starts < 0][0]} was sketched, but is not among the texts to verify")
        left, right = unpacked(pairs)
        if not len(pairs):
            return Edges(left, right, np.empty(0, dtype=np.float64))
        at_left, at_right = np.searchsorted(self.rows, left), np.searchsorted(self.rows, right)
        sizes = self._ends - self._starts
        # Closed when nobody holds it any more. An error in a thread would hold it, and closing it then hide the error.
        mapped = mmap.mmap(self._file.fileno(), self._written * 8, access=mmap.ACCESS_READ)
        looked_at = 0

        def similarities(batch: slice) -> npt.NDArray[np.float64]:
            nonlocal looked_at
            one, other = at_left[batch], at_right[batch]
            counts = np.empty(len(one), dtype=np.int64)
            sets = np.frombuffer(mapped, dtype=np.uint64)
            kernels().shared(sets, self._starts, self._ends, one, other, threshold, counts)
            both = sizes[one] + sizes[other]
            looked_at += int(both.sum())
            if looked_at > SHINGLES_MAPPED and hasattr(mmap, "MADV_DONTNEED"):
                looked_at = 0
                mapped.madvise(mmap.MADV_DONTNEED)  # what was read leaves memory; it is still on disk
            return counts / (both - counts)

        found = list(in_threads(similarities, _batches(sizes[at_left] + sizes[at_right])))
        return Edges(left, right, np.concatenate(found)).at_least(threshold)


def _batches(costs: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Slices of pairs that cost about `SHINGLES_AT_ONCE` together, and hold one pair at least."""
    numbers = np.cumsum(costs) // SHINGLES_AT_ONCE
    bounds = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    return (slice(int(a), int(b)) for a, b in pairwise(bounds))
