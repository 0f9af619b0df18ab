"""Rows that share most of a text: a document under another template, a passage with another question.

    Sum this up: The moon pulls the sea …      ├─ 36 shared ─┤  of 61 and 61 sequences of words: 0.42 by Jaccard,
    Who wrote what follows? The moon pulls …   ├─ 36 shared ─┤  so no near-duplicates; 0.59 of the shorter one

What each text has in common with others is measured by the smaller of the two. Pairs are found by winnowing: of each
window of `STRETCH` sequences the one with the least hash is kept, so that two texts with an unbroken stretch of so many
in common keep one in common, for certain. Source: Schleimer, Wilkerson, Aiken, Winnowing, SIGMOD 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.minhash.buckets import packed, unpacked
from instructkit.minhash.clusters import Edges, joined
from instructkit.minhash.duplicates import PAIRS_VERIFIED_AT_ONCE, RowNumbers
from instructkit.minhash.sketcher import ShingleRuns, ShingleSets, Sketcher
from instructkit.minhash.verify import Spool

STRETCH = 20
"""Sequences of 5 words that two texts must share on end, which is 24 words; fewer may be a turn of phrase."""
MOST = 0.5
"""Share of the shorter text's sequences that the other must have."""
COMPARED_WITH = 64
"""Rows of a split that are taken of those that keep the same sequence; a common one is in more."""
KEPT_AT_ONCE = 4_000_000
"""Kept sequences that are joined at a time: some 200 MB while they are."""

Read = Callable[[RowNumbers], Iterable[tuple[RowNumbers, ShingleSets]]]


class Stretches:
    """Sequences that were kept of the texts of some rows, on disk: one of ten."""

    def __init__(self, sketcher: Sketcher, folder: Path) -> None:
        self._sketcher, self._folder = sketcher, folder
        self._files: list[Path] = []
        self._kept = 0

    def add(self, texts: pl.Series, places: pl.Series, splits: pl.Series) -> None:
        """Take note of texts (String), the rows they are of, and the numbers of their splits."""
        text, value = winnowed(self._sketcher.shingle_runs(texts))
        path = self._folder / f"kept-{len(self._files)}.parquet"
        kept = pl.DataFrame({"value": value, "place": places.gather(text), "split": splits.gather(text)})
        kept.write_parquet(path, compression="lz4", statistics=False)
        self._files.append(path)
        self._kept += kept.height

    def edges(self, read_sets: Read, rows: int) -> Edges:
        """Pairs of rows of two splits that share most of the shorter text; `similarity` is the share.

        `read_sets`: gives the shingle sets of rows; `rows`: how many there are. Memory: 8 bytes a row and pair.
        """
        pairs = self._pairs()
        left, right = unpacked(pairs)
        caught = np.zeros(rows, dtype=np.bool_)
        caught[left], caught[right] = True, True
        wanted = np.flatnonzero(caught)
        sizes = np.zeros(rows, dtype=np.int64)
        with Spool(wanted, self._folder) as spool:
            for some, sets in read_sets(wanted) if len(wanted) else ():
                sizes[some] = np.diff(sets.starts)
                spool.add(some, sets)
            slabs = np.array_split(pairs, len(pairs) // PAIRS_VERIFIED_AT_ONCE + 1)
            return joined([_containing(spool.verified(slab, 0.0), sizes) for slab in slabs])

    def _pairs(self) -> npt.NDArray[np.uint64]:
        """Pairs of rows of two splits that keep a sequence in common: an earlier split's and a later one's."""
        parts = self._kept // KEPT_AT_ONCE + 1
        found = [np.empty(0, dtype=np.uint64)]
        for part in range(parts):
            kept = pl.scan_parquet(self._files, glob=False).filter(pl.col("value") % parts == part).collect()
            kept = kept.filter(pl.col("split").n_unique().over("value") > 1).sort("value", "split", "place")
            firsts = kept.filter(pl.int_range(pl.len()).over("value", "split") < COMPARED_WITH)
            across = firsts.lazy().join(kept.lazy(), on="value", suffix="_right")
            across = across.filter(pl.col("split") < pl.col("split_right"))
            both = across.select("place", "place_right").unique().collect()
            found.append(packed(both["place"].to_numpy(), both["place_right"].to_numpy()))
        return np.unique(np.concatenate(found))


def winnowed(runs: ShingleRuns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """The least hash of each window of `STRETCH` shingles: numbers of the texts, and the hashes, each once a text."""
    count = len(runs.hashes) - STRETCH + 1
    if count <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    least, width = runs.hashes, 1
    while width < STRETCH:
        step = min(width, STRETCH - width)
        least, width = np.minimum(least[:-step], least[step:]), width + step
    text_of = np.repeat(np.arange(len(runs.units)), np.diff(runs.starts))
    inside = text_of[:count] == text_of[STRETCH - 1 :]
    kept = pl.DataFrame({"text": text_of[:count][inside], "value": least[inside]}).unique(maintain_order=True)
    return kept["text"].to_numpy(), kept["value"].to_numpy()


def _containing(edges: Edges, sizes: npt.NDArray[np.int64]) -> Edges:
    """Of edges by Jaccard similarity those that share most of the smaller set, by that share."""
    one, other = sizes[edges.left], sizes[edges.right]
    shared = np.rint(edges.similarity * (one + other) / (1 + edges.similarity))
    share = shared / np.maximum(np.minimum(one, other), 1)
    good = (shared >= STRETCH) & (share >= MOST)
    return Edges(edges.left[good], edges.right[good], share[good])


def by_split(edges: Edges, starts: npt.NDArray[np.int64]) -> Iterator[Edges]:
    """The edges from each split; `starts`: the first row of each, and the end."""
    for begin, end in zip(starts[:-2], starts[1:-1], strict=True):
        here = (edges.left >= begin) & (edges.left < end)
        yield Edges(edges.left[here], edges.right[here], edges.similarity[here])
