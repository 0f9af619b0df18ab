"""Evaluations side by side, for the eye."""

from __future__ import annotations

from rich.table import Table

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


def rich_table(before: Evaluation | None, after: Evaluation | None, by: str = "template") -> Table:
    """The rows as a rich table."""
    heads, lines = rows(before, after, by)
    split = next((e.split for e in (after, before) if e is not None), "")
    table = Table(title=f"Loss on the {split} split, nats per supervised token")
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i == 0 else "right", overflow="fold")
    for i, line in enumerate(lines):
        table.add_row(*line, end_section=i == len(lines) - 2)
    return table


def plain_table(before: Evaluation | None, after: Evaluation | None, by: str = "template") -> str:
    """The rows as lines of text."""
    heads, lines = rows(before, after, by)
    widths = [max(len(row[i]) for row in [heads, *lines]) for i in range(len(heads))]
    text = []
    for row in [heads, *lines]:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def _loss(part: Slice | None) -> str:
    return "-" if part is None or part.loss is None else f"{part.loss:.3f}"


def _change(first: Slice | None, last: Slice) -> str:
    if first is None or first.loss is None or last.loss is None:
        return "-"
    return f"{last.loss - first.loss:+.3f}"
