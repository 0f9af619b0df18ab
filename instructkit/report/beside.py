"""A dropped record beside the one that it repeats, drawn: in two columns where there is room, else in one.

colours     red: only in the dropped text   green: only in the other   yellow: in both, differently, and ignored
no colours  [-only in the dropped text-]    {+only in the other+}      [~ignored→difference~]
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

import click

from instructkit.report.duplicates import Comparison
from instructkit.report.hunks import Row, rows, visible
from instructkit.report.lineage import place
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
CLICK_STYLES: dict[str, dict[str, Any]] = {
    STYLES["old"]: {"fg": "red", "strikethrough": True},
    STYLES["new"]: {"fg": "green", "bold": True},
    STYLES["ignored"]: {"fg": "yellow"},
}
MARKS = {"old": ("[-", "-]"), "new": ("{+", "+}"), "ignored": ("[~", "~]")}


def comparison_lines(
    comparison: Comparison, width: int | None = None, colour: bool = False, full: bool = False
) -> list[str]:
    """The comparison as text. `width`: columns of the terminal, None where there is none and nothing is wrapped.

    `full`: nothing is folded.
    """
    lines = ["", *_head(comparison, colour)]
    if comparison.pieces is None:
        return lines
    drawn = rows(comparison.pieces, full)
    lines.append("")
    if width is None:
        text = "\n".join("".join(text for text, _ in _spans(row, "both", colour)) for row in drawn)
        return lines + [" " * MARGIN + line if line else "" for line in text.split("\n")]
    return lines + _drawn(comparison, drawn, width, colour)


def _head(comparison: Comparison, colour: bool) -> list[str]:
    """Who the other one is, where it is from, and what the marks say."""
    like = f"which it is most like ({comparison.similarity:.4g}), and " if comparison.similarity is not None else ""
    # Of a cluster only one stays, so a nearest that is not the survivor went too.
    who = {
        "nearest": f"{like}which was dropped too",
        "kept": "which was kept in place of both",
        "nearest and kept": f"{like}which was kept in its place",
        "reference": f"{like}which stands in the datasets that step '{comparison.step}' compares with",
    }[comparison.role]
    lines = [f"  beside    {comparison.other}, {who}"]
    if comparison.role == "reference" and comparison.origin is not None:
        lines.append(f"  from      {place(comparison.origin)}")
        if comparison.pieces is None:
            return [*lines, "            its text was not kept: the step found too many of its kind; look it up there"]
    elif comparison.origin is None or comparison.pieces is None:
        return [*lines, f"            its text is not among the rows that step '{comparison.step}' read"]
    else:
        lines.append(f"  from      {place(comparison.origin)}  in {' '.join(comparison.location) or comparison.source}")
    of = f"  (its {comparison.of})" if comparison.of != "all" else ""
    lines.append(f"  differs   {_count(comparison)}{of}{_up_to(comparison)}")
    kinds = {
        "old": any(piece.kind == "changed" and piece.old for piece in comparison.pieces),
        "new": any(piece.kind == "changed" and piece.new for piece in comparison.pieces),
        "ignored": any(piece.kind == "ignored" for piece in comparison.pieces),
    }
    said = {"old": f"only in {comparison.dropped}", "new": f"only in {comparison.other}", "ignored": "ignored"}
    legend = [_marked(said[kind], kind, colour) for kind, there in kinds.items() if there]
    styled = [click.style(text, **CLICK_STYLES[style]) if style else text for text, style in legend]
    return [*lines, f"  marks     {'  '.join(styled)}"] if legend else lines


def _up_to(comparison: Comparison) -> str:
    return f" (first {comparison.first_characters:,} characters)" if comparison.first_characters is not None else ""


def _count(comparison: Comparison) -> str:
    """In how many places the texts differ."""
    assert comparison.pieces is not None
    changed, ignored = (sum(piece.kind == kind for piece in comparison.pieces) for kind in ("changed", "ignored"))
    if not changed and not ignored:
        return "nowhere: the same text, character for character"
    by_rule = f"step '{comparison.step}' ignores ({', '.join(comparison.ignore) or 'the Unicode form'})"
    if not changed:
        return f"only in {_places(ignored)}, in what {by_rule}"
    return f"in {_places(changed)}" + (f", and in {ignored:,} more that {by_rule}" if ignored else "")


def _places(count: int) -> str:
    return f"{count:,} place{'s' if count > 1 else ''}"


def _spans(row: Row, side: Side, colour: bool) -> list[Span]:
    """One row of one or both texts."""
    if isinstance(row, str):
        return [(row, STYLES["fold"])]
    return [span for piece in row for span in _piece(visible(piece), side, colour)]


def _piece(piece: Piece, side: Side, colour: bool) -> list[Span]:
    if piece.kind == "equal":
        return [(piece.old, "")]
    if piece.kind == "ignored":
        text = {"both": f"{piece.old}→{piece.new}", "old": piece.old, "new": piece.new}[side].replace("\n", NEW_LINE)
        return [_marked(text, "ignored", colour)] if text else []
    sides = [("old", piece.old)] if side != "new" else []
    sides += [("new", piece.new)] if side != "old" else []
    return [_marked(text.replace("\n", f"{NEW_LINE}\n"), kind, colour) for kind, text in sides if text]


def _marked(text: str, kind: str, colour: bool) -> Span:
    if colour:
        return text, STYLES[kind]
    opening, closing = MARKS[kind]
    return f"{opening}{text}{closing}", ""


def _drawn(comparison: Comparison, drawn: Sequence[Row], width: int, colour: bool) -> list[str]:
    """Rows wrapped to the terminal's width, in one column or two."""
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
            console.print(_text(_spans(row, "both", colour)), overflow="fold")
    else:
        console.print(_columns(comparison, drawn, console, colour))
    lines = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
    return [" " * MARGIN + line if line else "" for line in lines]


def _columns(comparison: Comparison, drawn: Sequence[Row], console: Console, colour: bool) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.MINIMAL, show_edge=False, pad_edge=False, header_style="bold" if colour else "")
    other = "kept" if comparison.role == "nearest and kept" else comparison.role
    for name in (f"dropped: {comparison.dropped}", f"{other}: {comparison.other}"):
        table.add_column(_text([(name, "")]), width=(console.width - 3) // 2, overflow="fold")
    for row in drawn:
        table.add_row(_text(_spans(row, "old", colour)), _text(_spans(row, "new", colour)))
    return table


def _text(spans: Sequence[Span]) -> RenderableType:
    from rich.text import Text

    return Text.assemble(*spans)
