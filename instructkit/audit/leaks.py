"""Rows that stand in two splits of the dataset, as `instructkit verify` finds them."""

from __future__ import annotations

import polars as pl

from instructkit.audit import crossings, identities
from instructkit.audit.finding import MARKS, file_line
from instructkit.audit.ground import Ground
from instructkit.audit.overlap import overlap

RULES = {
    crossings.SAME_CONVERSATION: "same conversation",
    crossings.SAME_PROMPT: "same prompt",
    crossings.SAME_EXCHANGE: "same turn and answer",
    crossings.NEAR_CONVERSATION: "nearly the same conversation",
    crossings.NEAR_PROMPT: "nearly the same prompt",
    crossings.SAME_ANSWER: "same long answer",
    crossings.SHARED_TEXT: "most of the text shared",
    identities.SAME_ID: "same id",
    identities.SAME_DOCUMENT: "same document",
    identities.SAME_GROUP: "same group",
}


def check_leaks(ground: Ground) -> None:
    """Marks rows of a later split (train, validation, test) that stand in an earlier one: rules of `RULES`."""
    spool = ground.splits
    if len(spool.splits) < 2:
        return
    folder = ground.folder / "own"
    folder.mkdir()
    found = overlap(spool, crossings.Settings(), folder, ground.literals, ground.observe)
    every = pl.concat([found.crossings, identities.identities(spool)])
    if every.is_empty():
        return
    numbers = spool.scan().select(right=pl.col("place").cast(pl.Int64), row="row").collect()
    named = every.join(numbers, on="right", maintain_order="left").with_columns(
        rule=pl.col("kind").replace_strict(RULES, return_dtype=pl.String)
    )
    # An id of ours that crosses is worth a word only where the text has not said so.
    rank = pl.col("rule").replace_strict(list(RULES.values()), range(len(RULES)), return_dtype=pl.Int64)
    marks = named.sort(rank, "row").unique("row", keep="first", maintain_order=True)
    first = marks.filter(pl.int_range(pl.len()).over("rule") < ground.named)
    others = spool.at(first["left"].to_list(), ["file", "line", "split"])
    where = dict(others.select("place", pl.format("{} of {}", file_line(), "split")).iter_rows())
    other = pl.col("left").replace_strict(where, default=None, return_dtype=pl.String)
    ground.tally.add("leak", marks.select("row", "rule", said=pl.lit("as ") + other).sort("row").cast(MARKS))
