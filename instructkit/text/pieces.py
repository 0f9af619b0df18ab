r"""Cutting text into lines or paragraphs and the blank lines between them, so that the pieces joined are the text.

    "One.\nTwo.\n\n\nThree."   lines:       One.\n | Two.\n | \n\n | Three.
                              paragraphs:  One.\nTwo.\n | \n\n | Three.

A line ends at `\n`, `\r\n`, `\r`, a vertical tab, a form feed, U+0085, U+2028 or U+2029 (Unicode Standard, 5.8), and
keeps its end. A paragraph ends before a blank line, and at U+2029. A run of blank lines is one piece, a gap.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

PieceUnit = Literal["lines", "paragraphs"]

LINE_ENDS = "\n\r\x0b\x0c\x85\u2028\u2029"
_ENDS = r"\n\r\x0b\x0c\x{85}\x{2028}\x{2029}"
_WRITTEN = rf"[\s--[{_ENDS}]]*\S[^{_ENDS}]*"
"""A line that is not blank, up to its end."""
_LINE = rf"{_WRITTEN}(?:\r\n|[{_ENDS}])?"
_INNER_LINE = rf"{_WRITTEN}(?:\r\n|[{_ENDS}--\x{{2029}}])"
"""A line that another line of its paragraph may follow."""
_GAP = rf"\s+\z|\s*[{_ENDS}]"
_PATTERNS: dict[PieceUnit, str] = {"lines": f"{_LINE}|{_GAP}", "paragraphs": f"(?:{_INNER_LINE})*{_LINE}|{_GAP}"}


def pieces(text: pl.Expr, unit: PieceUnit) -> pl.Expr:
    """List of the text's lines or paragraphs, each with its line end, and of the gaps between them, in order."""
    return text.str.extract_all(_PATTERNS[unit])


def is_gap(piece: pl.Expr) -> pl.Expr:
    """Whether a piece is blank lines (Boolean)."""
    return ~piece.str.contains(r"\S")


def without_end(piece: pl.Expr) -> pl.Expr:
    """The piece without its line end."""
    return piece.str.strip_chars_end(LINE_ENDS)


def closed_up(rest: pl.DataFrame) -> pl.DataFrame:
    """What is left of texts after a cut, without the gaps that the cut made superfluous.

    `rest` has the columns `row` (the text's, ascending), `piece`, and `opens` and `closes`: whether its text's first
    and last piece were cut. Of the gaps before and after a cut the one before stays; none stays where the text now
    begins or ends because of a cut.
    """
    rest = rest.with_columns(gap=is_gap(pl.col("piece")))
    before = pl.col("gap").shift(1).over("row")
    rest = rest.filter(~(pl.col("gap") & pl.coalesce(before, "opens")))
    last = pl.col("gap").shift(-1).over("row").is_null()
    return rest.filter(~(pl.col("gap") & last & pl.col("closes"))).drop("gap")
