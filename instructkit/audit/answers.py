"""Answers that stop in the middle, and answers that are their prompts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.audit.finding import MARKS, excerpt
from instructkit.text.normalise import normalised
from instructkit.text.words import word_count

FINISHED = r"""[^\p{L}\p{N}\p{M},，、;；:：(（\[{「『【《“‘=+\-–—]$|(?:^|\s)[#@]\S+$"""
"""A sentence's end, in any script: punctuation that closes, a symbol, an emoji, a hashtag."""
OPEN_END = r"(?:[,，、;；(（\[{「『【《“‘=+]|\s[-–—]|\b(?:and|or|the|of|to|with|for|und|der|die|et|de|la|的是))$"
"""What no text ends with: a comma, an opening bracket, a word that wants another one."""
NO_SENTENCE = r"^\s*(?:[-*+•·●–—#>|]|\d+[.)、]|[(（]?[a-zA-Z\d]{1,2}[)）.]|[A-Za-z]+:\s)|\||[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]$|https?://\S*$|[:：=]|[`$}\])>]$"
"""A line that need not end with a full stop: an item, a heading, a row of a table, a link, an assignment, a
script that ends sentences without a sign."""
PAIRS = ("()", "[]", "{}", "（）", "【】", "「」", "『』", "《》", "“”")
LONG_WORDS = 20
"""An answer of fewer words need be no sentence: a name, a number, a label."""
HABIT = 0.9
"""Share of long answers that end a sentence from which on one that does not is conspicuous."""
ECHO_WORDS = 5


class Ending:
    """Codes of how an answer ends."""

    SHORT, FINISHED, UNFINISHED, NO_SENTENCE = range(4)


def cut(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks answers with a sure sign of being cut: rules `code block`, `open end`, `bracket`."""
    answer, prose = pl.col("answer"), pl.col("prose")
    last = answer.str.strip_chars_end().str.extract(r"([^\n]*)\z", 1).fill_null("")
    fences = answer.str.count_matches(r"(?m)^\s*```")
    # Together, for intervals such as [0, 1); emoticons and "1)" only close.
    opened = pl.sum_horizontal(last.str.count_matches(p[0], literal=True) for p in PAIRS).cast(pl.Int64)
    closed = pl.sum_horizontal(last.str.count_matches(p[1], literal=True) for p in PAIRS).cast(pl.Int64)
    in_code = answer.str.contains("```", literal=True) | last.str.contains(r"[`$\\]|^\s{4}|[;{}]$")
    long = word_count(answer) >= LONG_WORDS
    rule = (
        pl.when(fences % 2 == 1)
        .then(pl.lit("code block"))
        .when(prose.str.strip_chars_end().str.to_lowercase().str.contains(OPEN_END) & long & ~in_code)
        .then(pl.lit("open end"))
        .when((opened > closed) & ~last.str.contains(FINISHED) & long & ~in_code)
        .then(pl.lit("bracket"))
    )
    return rows.select("row", rule=rule, said=excerpt(answer, end=True)).drop_nulls("rule").cast(MARKS)


def ending() -> pl.Expr:
    """How the answer ends, as UInt8: a code of `Ending`."""
    text = pl.col("answer").str.strip_chars_end()
    last = text.str.extract(r"([^\n]*)\z", 1).fill_null("")
    return (
        pl.when(word_count(text) < LONG_WORDS)
        .then(Ending.SHORT)
        .when(last.str.contains(FINISHED))
        .then(Ending.FINISHED)
        .when(last.str.contains(NO_SENTENCE) | (word_count(last) < 6))
        .then(Ending.NO_SENTENCE)
        .otherwise(Ending.UNFINISHED)
        .cast(pl.UInt8)
    )


def without_full_stop(row: npt.NDArray[np.uint32], endings: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The rows that end in the middle of a sentence, where nine of ten long answers end one; else none."""
    finished, unfinished = (int((endings == code).sum()) for code in (Ending.FINISHED, Ending.UNFINISHED))
    if not unfinished or finished < HABIT * (finished + unfinished):
        return row[:0]
    rows: npt.NDArray[np.uint32] = row[endings == Ending.UNFINISHED]
    return rows


class Limit(NamedTuple):
    """A length at which many answers end."""

    length: int
    rows: int


def limit(lengths: npt.NDArray[np.integer]) -> Limit | None:
    """The greatest length, where so many answers have it that something must have cut them; None where nothing has.

    At least 5 answers and one in 1,000 have that very length, ten times as many as lengths just below have on
    average, and hardly any (one in 100 of them) is longer: lengths that nobody limits thin out towards the longest.
    """
    if not len(lengths) or int(lengths.max()) < LONG_WORDS:
        return None
    counts = np.bincount(lengths)
    for length in np.flatnonzero(counts >= max(5, len(lengths) / 1000))[::-1].tolist():
        here, longer = int(counts[length]), int(counts[length + 1 :].sum())
        if longer > here / 100:
            return None
        below = counts[int(length * 0.8) : length]
        if length >= LONG_WORDS and here >= 10 * max(float(below.mean()), 0.1):
            return Limit(length, here)
    return None


def echo(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks answers that repeat the question: rules `repeats`, `begins with`.

    An answer that takes up the question's words ("The steps of a budget are: …") does not begin with it: what follows
    the question must begin a sentence or a line.
    """
    loose = {n: normalised(pl.col(n), ("case", "punctuation", "whitespace")) for n in ("question", "answer")}
    strict = {n: normalised(pl.col(n), ("case",)).str.strip_chars() for n in ("question", "answer")}
    ends = strict["question"].str.contains(r"[.!?。！？…]$") & strict["answer"].str.starts_with(strict["question"])
    goes_on = ends | strict["answer"].str.starts_with(strict["question"] + "\n")
    rule = (
        pl.when(word_count(pl.col("question")) < ECHO_WORDS)
        .then(None)
        .when(loose["answer"] == loose["question"])
        .then(pl.lit("repeats"))
        .when(goes_on)
        .then(pl.lit("begins with"))
    )
    return rows.select("row", rule=rule, said=excerpt(pl.col("answer"))).drop_nulls("rule").cast(MARKS)
