"""Where a template's test fails: what was expected beside what was rendered, the words that differ marked.

terminal   expected and rendered in two columns, in one where it is narrow; colours, or [-expected-] and {+rendered+}
pipe       the lines of the diff as they are: - expected, + rendered
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from instructkit.report.columns import MARGIN, TWO_COLUMNS, drawn_lines, marked
from instructkit.report.hunks import Row, rows
from instructkit.text.worddiff import Piece, word_diff

TITLES = ("expected", "rendered")


def case_lines(difference: str, width: int | None, colour: bool) -> list[str]:
    """A test's difference for the eye. `width`: columns of the terminal, None where there is none."""
    if width is None:
        return [" " * MARGIN + line if line else "" for line in difference.split("\n")]
    drawn = list(_rows(difference))
    lines = drawn_lines(TITLES, drawn, width, colour)
    return lines if width >= TWO_COLUMNS else [_legend(colour), *lines]


def _legend(colour: bool) -> str:
    import click

    said = [marked(name, kind, colour)[0] for name, kind in zip(TITLES, ("old", "new"), strict=True)]
    if colour:
        said = [click.style(said[0], fg="red", strikethrough=True), click.style(said[1], fg="green", bold=True)]
    return " " * MARGIN + " ".join(said)


def _rows(difference: str) -> Iterator[Row]:
    """The rows of a unified diff: lines of both, and runs of - and + as words that differ."""
    lines = difference.split("\n")
    if lines[0].startswith("---") and lines[1].startswith("+++"):
        lines = lines[2:]
    first = True
    for kind, run in groupby(lines, key=lambda line: "±" if line[:1] in ("-", "+") else line[:1]):
        group = list(run)
        if kind == "±":
            old = "\n".join(line[1:] for line in group if line[0] == "-")
            new = "\n".join(line[1:] for line in group if line[0] == "+")
            yield from rows(word_diff(old, new), full=True)
        elif kind == "@":
            if not first:
                yield "…"
        else:
            for line in group:
                yield [Piece(kind="equal", old=line[1:], new=line[1:])]
        first = False
