"""A dropped record beside the one that it repeats, drawn: in two columns where there is room, else in one.

colours     red: only in the dropped text   green: only in the other   yellow: in both, differently, and ignored
no colours  [-only in the dropped text-]    {+only in the other+}      [~ignored→difference~]
"""

from __future__ import annotations

from typing import Any

import click

from instructkit.report.columns import MARGIN, STYLES, drawn_lines, marked, spans
from instructkit.report.duplicates import Comparison
from instructkit.report.hunks import rows
from instructkit.report.lineage import place
from instructkit.text.worddiff import Piece

CLICK_STYLES: dict[str, dict[str, Any]] = {
    STYLES["old"]: {"fg": "red", "strikethrough": True},
    STYLES["new"]: {"fg": "green", "bold": True},
    STYLES["ignored"]: {"fg": "yellow"},
}


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
        text = "\n".join("".join(text for text, _ in spans(row, "both", colour)) for row in drawn)
        return lines + [" " * MARGIN + line if line else "" for line in text.split("\n")]
    other = "kept" if comparison.role == "nearest and kept" else comparison.role
    mine = "record" if comparison.role == "evaluation" else "dropped"
    titles = (f"{mine}: {comparison.dropped}", f"{other}: {comparison.other}")
    return lines + drawn_lines(titles, drawn, width, colour)


def _head(comparison: Comparison, colour: bool) -> list[str]:
    """Who the other one is, where it is from, and what the marks say."""
    if comparison.role == "evaluation":
        return _evaluation_head(comparison, colour)
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
    return [*lines, *_marks(comparison, comparison.pieces, colour)]


def _marks(comparison: Comparison, pieces: list[Piece], colour: bool) -> list[str]:
    """What the marks say, where there are any."""
    kinds = {
        "old": any(piece.kind == "changed" and piece.old for piece in pieces),
        "new": any(piece.kind == "changed" and piece.new for piece in pieces),
        "ignored": any(piece.kind == "ignored" for piece in pieces),
    }
    said = {"old": f"only in {comparison.dropped}", "new": f"only in {comparison.other}", "ignored": "ignored"}
    legend = [marked(said[kind], kind, colour) for kind, there in kinds.items() if there]
    styled = [click.style(text, **CLICK_STYLES[style]) if style else text for text, style in legend]
    return [f"  marks     {'  '.join(styled)}"] if legend else []


def _evaluation_head(comparison: Comparison, colour: bool) -> list[str]:
    """What of which row stands in the record."""
    assert comparison.origin is not None
    assert comparison.similarity is not None
    part = "prompt and answer" if comparison.of == "both" else comparison.of
    where = place(comparison.origin)
    named = f"'{comparison.other}' ({where})" if comparison.other != where else where
    lines = [f"  holds     the {part} of {named}, by a score of {comparison.similarity:.4g} (step '{comparison.step}')"]
    if comparison.pieces is None:
        return [*lines, "            the texts were not kept: the step found too many of its kind; look them up there"]
    lines.append(f"  differs   {_count(comparison)}{_up_to(comparison)}")
    return [*lines, *_marks(comparison, comparison.pieces, colour)]


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
