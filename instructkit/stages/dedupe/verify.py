"""Verifying candidate pairs by their real similarity, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.errors import StageError
from instructkit.stages.dedupe.engine import Engine
from instructkit.stages.dedupe.lsh import PairArray
from instructkit.stages.dedupe.union import united
from instructkit.text.shingles import jaccard

CHARACTERS_AT_ONCE = 50_000_000
"""Text whose shingles are held at a time: some 100 MB, or one pair of longer texts."""


def similarities(
    pairs: PairArray, rows: pl.DataFrame, texts: pl.LazyFrame, engine: Engine, at_once: int = CHARACTERS_AT_ONCE
) -> npt.NDArray[np.float64]:
    """Jaccard similarity of the shingle sets of each pair, shape (pairs,), in the order of `pairs`.

    `pairs` indexes `rows`, which has the columns id and characters; `texts` has the columns id and text and is read
    once for each batch of pairs. Raises StageError when it lacks an id.
    """
    ids, result = rows["id"], np.empty(len(pairs), dtype=np.float64)
    for batch in _batches(pairs, rows["characters"].to_numpy(), at_once):
        wanted = pl.LazyFrame({"id": ids.gather(np.unique(pairs[batch]))})
        found = texts.join(wanted, on="id", how="semi").collect()
        sets = dict(zip(found["id"], engine.shingle_sets(found["text"]), strict=True))
        for at in batch:
            left, right = (ids[int(i)] for i in pairs[at])
            if left not in sets or right not in sets:
                raise StageError(f"record '{left}' or '{right}' was sketched, but is not among the records to verify")
            result[at] = jaccard(sets[left], sets[right])
    return result


def _batches(pairs: PairArray, characters: npt.NDArray[np.int64], at_once: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions of pairs whose texts fit into memory together. Linked pairs lie side by side, so that few texts are
    read twice.
    """
    linked = united((int(i), int(j)) for i, j in pairs)
    component = np.array([linked.find(int(i)) for i in pairs[:, 0]], dtype=np.int64)
    batch: list[int] = []
    held: set[int] = set()
    size = 0
    for at in np.lexsort((pairs[:, 1], pairs[:, 0], component)):
        new = {int(i) for i in pairs[at]} - held
        more = sum(int(characters[i]) for i in new)
        if batch and size + more > at_once:
            yield np.array(batch, dtype=np.int64)
            batch, held, size, new = [], set(), 0, {int(i) for i in pairs[at]}
            more = sum(int(characters[i]) for i in new)
        batch.append(int(at))
        held |= new
        size += more
    if batch:
        yield np.array(batch, dtype=np.int64)
