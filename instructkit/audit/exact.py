"""Rows of one split that stand in another to the word: conversations, prompts, exchanges, long answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.audit.common_text import IGNORE
from instructkit.audit.crossings import (
    ANSWER_WORDS,
    COMMON_ANSWERS,
    SAME_ANSWER,
    SAME_CONVERSATION,
    SAME_EXCHANGE,
    SAME_PROMPT,
    SHINGLE,
)
from instructkit.audit.spool import RowSpool
from instructkit.minhash.sketcher import Sketcher


class Rows:
    """Fingerprints of all rows, 60 bytes each, and what they alone tell."""

    def __init__(self, spool: RowSpool) -> None:
        sketcher = Sketcher(unit="words", shingle=SHINGLE, ignore=IGNORE, bands=1, rows=1, seed=0)
        parts, turns, at = [], [], 0
        for chunk in spool.chunks(["prompt", "response", "exchanges"]):
            turns.append(_exchanges(chunk["exchanges"], at, sketcher))
            at += chunk.height
            parts.append(_fingerprints(chunk["prompt"], chunk["response"], sketcher))
        self.counts = spool.counts
        self.starts = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        split = np.repeat(np.arange(len(self.counts)), self.counts)
        self.table = pl.concat(parts).with_columns(split=pl.Series(split, dtype=pl.Int64)).with_row_index("place")
        self.table = self.table.with_columns(pl.col("place").cast(pl.Int64))
        self._turns = pl.concat(turns).join(self.table.select("place", "split"), on="place", maintain_order="left")

    def first(self, name: str) -> pl.Series:
        """Whether each row is the first with its prompt, or response; false where it has none."""
        again = pl.int_range(pl.len()).over(f"{name}_1", f"{name}_2") > 0
        return self.table.select((~again & (pl.col(f"{name}_words") > 0)).alias("first")).to_series()

    def same(self, nothing: pl.Series | None) -> Iterator[pl.DataFrame]:
        """Rows whose conversation, or else prompt, stands in an earlier split.

        `nothing`: whether each row's prompt says nothing of its own ("Write a short story."); None: none is known to.
        """
        prompt, response = ["prompt_1", "prompt_2"], ["response_1", "response_2"]
        asked = self.table.filter(pl.col("prompt_words") > 0)
        yield across(asked, prompt + response, SAME_CONVERSATION)
        asked = self.table if nothing is None else self.table.filter(~nothing)
        yield across(asked.filter(pl.col("prompt_words") > 0), prompt, SAME_PROMPT)
        # What has no prompt is what it answers: a plain text, say.
        yield across(self.table.filter(pl.col("prompt_words") == 0), response, SAME_CONVERSATION)

    def same_exchanges(self, common: int) -> pl.DataFrame:
        """Rows of which a long question with its answer stands in an earlier split, in a longer conversation or there.

        What stands in `common` rows or more is an example that all are shown.
        """
        words = pl.col("prompt_words") + pl.col("response_words") >= ANSWER_WORDS
        both = (pl.col("prompt_words") > 0) & (pl.col("response_words") > 0)
        every = pl.concat([self.table.select(self._turns.columns), self._turns]).filter(words, both)
        keys = ["prompt_1", "prompt_2", "response_1", "response_2"]
        every = every.filter(pl.len().over(keys) < common).sort("place")
        pairs = across(every, keys, SAME_EXCHANGE)
        return pairs.unique(["right", "split"], keep="first", maintain_order=True)

    def same_answers(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows whose long answer stands in an earlier split under another prompt; and those where it is a phrase."""
        response = ["response_1", "response_2"]
        long = self.table.filter(pl.col("response_words") >= ANSWER_WORDS, pl.col("prompt_words") > 0)
        prompts = pl.struct("prompt_1", "prompt_2").n_unique().over(response)
        long = long.with_columns(common=prompts >= COMMON_ANSWERS)
        return (
            across(long.filter(~pl.col("common")), response, SAME_ANSWER),
            across(long.filter(pl.col("common")), response, SAME_ANSWER),
        )


def across(table: pl.DataFrame, key: list[str], kind: str) -> pl.DataFrame:
    """For each row, and each earlier split that has a row with the same key, the first such row."""
    table = table.select("place", "split", *key)
    table = table.filter(pl.col("split").n_unique().over(key) > 1)
    firsts = table.unique([*key, "split"], keep="first", maintain_order=True)
    pairs = firsts.join(table, on=key, suffix="_right").filter(pl.col("split") < pl.col("split_right"))
    return pairs.select(kind=pl.lit(kind), left="place", right="place_right", similarity=pl.lit(1.0), split="split")


def _exchanges(exchanges: pl.Series, first: int, sketcher: Sketcher) -> pl.DataFrame:
    """Fingerprints of the exchanges of rows, the first of which has the place `first`."""
    places = pl.DataFrame({"place": np.arange(first, first + len(exchanges)), "exchange": exchanges})
    told = places.explode("exchange", empty_as_null=False, keep_nulls=False).unnest("exchange")
    return told.select("place").hstack(_fingerprints(told["asked"], told["replied"], sketcher))


def _fingerprints(prompts: pl.Series, responses: pl.Series, sketcher: Sketcher) -> pl.DataFrame:
    """Columns `prompt_1`, `prompt_2`, `prompt_words`, and those of the response."""
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for name, texts in (("prompt", prompts), ("response", responses)):
        sketches = sketcher.sketch(texts)
        one, two = sketches.fingerprints
        columns |= {f"{name}_1": one, f"{name}_2": two, f"{name}_words": sketches.units}
    return pl.DataFrame(columns)
