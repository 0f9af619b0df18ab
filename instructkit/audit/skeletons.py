"""How many wordings the prompts have: what is left of each when all that differs from row to row is masked.

    Sum up in one sentence: The moon pulls the sea.     sum up in one sentence: …
    Sum up in one sentence: Bees dance.                 sum up in one sentence: …

A word belongs to the wording where one of the four runs of 4 words that it lies in stands in many prompts; begin and
end of a prompt count as words, so that an opening of one word is seen. Inside a prompt a run must stand in more rows
than at its edges, or the turns of phrase that a language has ("one of the most") would be wordings.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.text.words import runs

RUN_WORDS = 4
EDGE_SHARE, INNER_SHARE = 0.01, 0.05
"""Shares of the rows that a run of words at the edge of a prompt, or inside it, must stand in to be its wording."""
LEAST_ROWS = 5
STEADY = 0.5
HEAD_WORDS, TAIL_WORDS = 200, 60
"""Of a long prompt only its two ends are looked at: instructions stand there."""
BITS = 22
BUCKETS = 1 << BITS
"""Counters of runs of words, in each of two tables, 32 MB in all. The smaller counter counts: two runs are taken for
one where they share both. Source: Cormode and Muthukrishnan, the count-min sketch, 2005."""
GAP = "…"
_BEFORE, _AFTER = "\x02", "\x03"
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class _Grams(NamedTuple):
    """Words of prompts one below the other, n of them, and the runs of 4 words that begin at all but the last 3."""

    words: pl.DataFrame
    """[n] row (of the prompt), word."""
    buckets: npt.NDArray[np.int64]
    """[2, n - 3] Which counters a run has."""
    inside: npt.NDArray[np.bool_]
    """[n - 3] Whether a run lies in one prompt."""


class Skeletons:
    """Counts what prompts share; then gives the skeleton of each."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, BUCKETS), dtype=np.uint32)
        self._rows = 0

    def count(self, prompts: pl.Series) -> None:
        """Take note of the prompts of some rows."""
        words, buckets, inside = _grams(prompts)
        self._rows += len(prompts)
        rows = words["row"].to_numpy()[: len(inside)]
        for counts, bucket in zip(self._counts, buckets, strict=True):
            # A run counts once a row, however often it stands there.
            pairs = np.unique((rows * BUCKETS + bucket)[inside])
            found, times = np.unique(pairs % BUCKETS, return_counts=True)
            counts[found] += times.astype(np.uint32)

    def of(self, prompts: pl.Series) -> pl.Series:
        """The skeleton of each prompt, `…` where nothing of it is shared."""
        words, buckets, inside = _grams(prompts)
        first, second = buckets
        counts = _steady(np.where(inside, np.minimum(self._counts[0, first], self._counts[1, second]), 0))
        edge, inner = (max(LEAST_ROWS, ceil(share * self._rows)) for share in (EDGE_SHARE, INNER_SHARE))
        padding = pl.col("word").is_in([_BEFORE, _AFTER])
        marked = words.with_columns(
            padding=padding,
            shared=pl.Series(_covered(counts >= edge, words.height)) | padding,
            often=pl.Series(_covered(counts >= inner, words.height)) | padding,
        ).with_columns(stretch=pl.struct("row", "shared").rle_id())
        # A stretch of shared words is kept where it touches an edge, or a run in it is frequent enough by itself.
        fixed = pl.col("shared") & pl.col("often").any().over("stretch")
        shown = (
            marked.with_columns(fixed=fixed)
            .filter(~pl.col("padding"))
            .filter(pl.col("fixed") | pl.col("fixed").shift(1).over("row").fill_null(True))
            .select("row", word=pl.when("fixed").then("word").otherwise(pl.lit(GAP)))
        )
        joined = shown.group_by("row", maintain_order=True).agg(pl.col("word").str.join(" "))
        rows = pl.DataFrame({"row": np.arange(len(prompts))})
        return rows.join(joined, on="row", how="left", maintain_order="left")["word"].fill_null(GAP)


def _grams(prompts: pl.Series) -> _Grams:
    words, pad = pl.col("words"), RUN_WORDS - 1
    ends = pl.concat_list(words.list.head(HEAD_WORDS), words.list.tail(TAIL_WORDS))
    cut = pl.when(words.list.len() > HEAD_WORDS + TAIL_WORDS).then(ends).otherwise(words)
    table = (
        pl.DataFrame({"text": prompts.fill_null("")})
        .select(words=runs(pl.col("text").str.to_lowercase()))
        .select(word=pl.concat_list(pl.lit([_BEFORE] * pad), cut, pl.lit([_AFTER] * pad)))
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64))
        .explode("word", empty_as_null=False)
    )
    hashes, row = table["word"].hash(0).to_numpy(), table["row"].to_numpy()
    count = max(len(row) - pad, 0)
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(RUN_WORDS):
        mixed = (mixed ^ hashes[place : place + count]) * _FACTOR
        mixed ^= mixed >> np.uint64(29)
    buckets = np.stack([mixed >> np.uint64(64 - BITS), (mixed >> np.uint64(8)) % np.uint64(BUCKETS)]).astype(np.int64)
    return _Grams(table, buckets, row[:count] == row[pad:])


def _steady(counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The counts of runs that are at least half as frequent as those around them, 0 for others.

    Behind "Sum up:" stands "the" often, but a wording of its own it is only where it mostly does. Between two prompts
    are three runs that are in neither, so none is measured by its neighbour's.
    """
    around = np.pad(counts, RUN_WORDS - 1)
    most = np.max([around[place : place + len(counts)] for place in range(2 * RUN_WORDS - 1)], axis=0, initial=0)
    steady: npt.NDArray[np.uint32] = np.where(counts >= STEADY * most, counts, 0).astype(np.uint32)
    return steady


def _covered(found: npt.NDArray[np.bool_], words: int) -> npt.NDArray[np.bool_]:
    """[words] Whether a word lies in one of the runs that were found."""
    covered = np.zeros(words, dtype=np.bool_)
    for place in range(RUN_WORDS):
        covered[place : place + len(found)] |= found
    return covered
