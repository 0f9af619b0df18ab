"""What is compared: rows of an evaluation on one side, the turns of records on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from instructkit.text.normalise import Ignorable

EVALUATION = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.Int64(),
        "id": pl.String(),
        "prompt": pl.String(),
        "answers": pl.List(pl.String()),
        "passage": pl.String(),
    }
)
"""Rows of evaluations. `line` counts from 1, of a table its rows. `id`, `prompt` and `passage` may be null; `answers`
holds every wording that counts as right, and may be empty."""

Part = Literal["prompt", "answer", "both", "passage"]
"""Of an evaluation row: what a record holds of it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """When a record holds a row of an evaluation. The stage's docstrings say what each is for."""

    ngram: int = 5
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    threshold: float = 0.8
    common: float = 0.002
    min_prompt_words: int = 8
    min_answer_words: int = 20


def turns(shard: pl.DataFrame | pl.LazyFrame) -> pl.Expr:
    """The texts of each record that are compared, as List(String): a document's text, or what each message of an
    example says (its reasoning before its content), and after that what alternative endings say.
    """
    names = shard.collect_schema().names()
    if "messages" not in names:
        return pl.concat_list(pl.col("text").fill_null(""))
    said = pl.col("messages").list.eval(_said(pl.element()))
    if "candidates" not in names:
        return said
    others = pl.col("candidates").list.eval(
        _said(pl.element().struct.field("messages").explode(empty_as_null=False, keep_nulls=False))
    )
    return pl.concat_list(said, others.fill_null([]))


def _said(message: pl.Expr) -> pl.Expr:
    content, reasoning = message.struct.field("content").fill_null(""), message.struct.field("reasoning")
    return pl.when(reasoning.is_null()).then(content).otherwise(pl.format("{}\n\n{}", reasoning, content))
