"""Evaluations side by side, for the eye."""

from __future__ import annotations

from instructkit.evaluate.result import Evaluation, Slice

Row = tuple[str, ...]


def rows(before: Evaluation | None, after: Evaluation | None, by: str = "template") -> tuple[Row, list[Row]]:
    """Heads and rows: one row a slice, the whole last. With both evaluations there is a column for the change."""
    given = [e for e in (before, after) if e is not None]
    if not given:
        return (by, "examples", "tokens", "loss"), []
    both = before is not None and after is not None
    heads = (by, "examples", "tokens", *(("before", "after", "change") if both else ("loss",)))
    last = given[-1]
    lines = []
    for part in [*(s for s in last.slices if s.by == by), last.overall]:
        first = given[0].overall if part is last.overall else given[0].find(by, part.name)
        losses = [_loss(first), _loss(part), _change(first, part)] if both else [_loss(part)]
        lines.append((part.name, f"{part.examples:,}", f"{part.tokens:,}", *losses))
    return heads, lines


def _loss(part: Slice | None) -> str:
    return "-" if part is None or part.loss is None else f"{part.loss:.3f}"


def _change(first: Slice | None, last: Slice) -> str:
    if first is None or first.loss is None or last.loss is None:
        return "-"
    return f"{last.loss - first.loss:+.3f}"
