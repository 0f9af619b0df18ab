"""Differences of two texts on a terminal: rows of `hunks` as styled text, in one column or two.

colours     red: only in the old text   green: only in the new   yellow: in both, differently, and ignored
no colours  [-only in the old text-]    {+only in the new+}      [~ignored→difference~]
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Literal

from instructkit.report.hunks import Row, visible
from instructkit.text.worddiff import Piece

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

TWO_COLUMNS = 120
"""Columns of a terminal from which on two texts fit side by side."""
MARGIN = 4
NEW_LINE = "↵"
"""Shown for a line that ends inside a difference."""

Side = Literal["both", "old", "new"]
Span = tuple[str, str]
"""Text, and its style."""

STYLES = {"old": "red strike", "new": "green bold", "ignored": "yellow", "fold": "dim"}
MARKS = {"old": ("[-", "-]"), "new": ("{+", "+}"), "ignored": ("[~", "~]")}


def drawn_lines(titles: tuple[str, str], drawn: Sequence[Row], width: int, colour: bool) -> list[str]:
    """Rows wrapped to a terminal of this width; where there is room side by side, under their titles."""
    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=max(20, width - MARGIN),
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
    )
    if width < TWO_COLUMNS:
        for row in drawn:
            console.print(_text(spans(row, "both", colour)), overflow="fold")
    else:
        console.print(_columns(titles, drawn, console, colour))
    lines = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
    return [" " * MARGIN + line if line else "" for line in lines]


def _columns(titles: tuple[str, str], drawn: Sequence[Row], console: Console, colour: bool) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.MINIMAL, show_edge=False, pad_edge=False, header_style="bold" if colour else "")
    for name in titles:
        table.add_column(_text([(name, "")]), width=(console.width - 3) // 2, overflow="fold")
    for row in drawn:
        table.add_row(_text(spans(row, "old", colour)), _text(spans(row, "new", colour)))
    return table


def spans(row: Row, side: Side, colour: bool) -> list[Span]:
    """One row of one or both texts."""
    if isinstance(row, str):
        return [(row, STYLES["fold"])]
    return [span for piece in row for span in _piece(visible(piece), side, colour)]


def _piece(piece: Piece, side: Side, colour: bool) -> list[Span]:
    if piece.kind == "equal":
        return [(piece.old, "")]
    if piece.kind == "ignored":
        text = {"both": f"{piece.old}→{piece.new}", "old": piece.old, "new": piece.new}[side].replace("\n", NEW_LINE)
        return [marked(text, "ignored", colour)] if text else []
    sides = [("old", piece.old)] if side != "new" else []
    sides += [("new", piece.new)] if side != "old" else []
    return [marked(text.replace("\n", f"{NEW_LINE}\n"), kind, colour) for kind, text in sides if text]


def marked(text: str, kind: str, colour: bool) -> Span:
    """The text of a kind of difference: in its colour, or between its marks."""
    if colour:
        return text, STYLES[kind]
    opening, closing = MARKS[kind]
    return f"{opening}{text}{closing}", ""


def _text(spans: Sequence[Span]) -> RenderableType:
    from rich.text import Text

    return Text.assemble(*spans)
