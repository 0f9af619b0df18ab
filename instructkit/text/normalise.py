"""When two texts count as the same: what a comparison ignores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

Ignorable = Literal["case", "punctuation", "digits", "whitespace", "diacritics"]

# Not ignored with the punctuation: the signs that carry the meaning of arithmetic and code ("2 * 3" is not "2 / 3").
# Symbols such as + < = are no punctuation in Unicode's sense and stay anyway.
PUNCTUATION = r"[\p{P}--[*/%&#@\\\-]]+"
DIACRITICS = r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
"""The marks that Unicode keeps for combining with any letter; vowel signs of a script are no diacritics."""
HYPHEN = r"(\p{L})-(\p{L})"


LOWER = {"ς": "σ", "i\u0307": "i"}
"""What lower case gives by place in the word, or as two characters (of İ), made one."""


def normalised(text: pl.Expr, ignore: Sequence[Ignorable]) -> pl.Expr:
    r"""The text for comparison: NFC, then without what is ignored.

    case: lower case. diacritics: é reads as e. punctuation: becomes a space, except `* / % & # @ \` and a hyphen that
    does not join two letters, which carry meaning in arithmetic and code. digits: every number becomes 0. whitespace:
    runs become one space, none at the ends. Null stays null.
    """
    text = text.map_batches(composed, return_dtype=pl.String, is_elementwise=True)
    if "case" in ignore:
        text = text.str.to_lowercase().str.replace_many(LOWER)
    if "diacritics" in ignore:
        text = text.str.normalize("NFD").str.replace_all(DIACRITICS, "").str.normalize("NFC")
    if "punctuation" in ignore:
        # Twice, since the letter between two hyphens belongs to both.
        text = text.str.replace_all(HYPHEN, "${1} ${2}").str.replace_all(HYPHEN, "${1} ${2}")
        text = text.str.replace_all(PUNCTUATION, " ")
    if "digits" in ignore:
        text = text.str.replace_all(r"\p{Nd}+", "0")
    if "whitespace" in ignore:
        text = text.str.replace_all(r"\s+", " ").str.strip_chars()
    return text


def composed(texts: pl.Series) -> pl.Series:
    """The texts in Unicode's form NFC; those in ASCII are so already, which saves nearly all the time."""
    beyond = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False)
    if not beyond.any():
        return texts
    # A clone: scatter writes into the series it is called on.
    return texts.clone().scatter(beyond.arg_true(), texts.filter(beyond).str.normalize("NFC"))
