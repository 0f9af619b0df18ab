"""Cutting text into words, in scripts with spaces between words and in those without.

    "The 3 tides."  -> The | 3 | tides.
    "月亮引起潮汐 OK" -> 月 | 亮 | 引 | 起 | 潮 | 汐 | OK

A character of a script that is written without spaces is a word of its own: no dictionary, no decision by document,
and a text of two scripts is cut right in both parts.
"""

from __future__ import annotations

import polars as pl

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
"""Scripts written without spaces between words, for a regular expression's character class."""

RUN = rf"[{UNSPACED}]|[^\s{UNSPACED}]+"
# A word does not begin with punctuation: a lone dash or a Chinese full stop is none, "(tides)." is one.
WORD = rf"[{UNSPACED}]|[^\s\p{{P}}{UNSPACED}][^\s{UNSPACED}]*"


def runs(text: pl.Expr) -> pl.Expr:
    """List of what stands between spaces, punctuation included; characters in scripts without spaces."""
    return text.str.extract_all(RUN)


def word_count(text: pl.Expr) -> pl.Expr:
    """Number of words (UInt32): runs with more than punctuation, or characters in scripts without spaces."""
    return text.str.count_matches(WORD)
