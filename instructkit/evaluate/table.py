"""Evaluations side by side, for the eye."""

from __future__ import annotations

from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, Score, Slice

Row = tuple[str, ...]
Names = tuple[str, str]
BESIDE = ("stopped", "tokens", "distinct_1", "distinct_2")
"""Measured on every reply: columns of their own."""


def loss_rows(found: BeforeAfter, by: str = "template", names: Names = ("before", "after")) -> tuple[Row, list[Row]]:
    """Losses, heads and rows: one row a slice, the whole last. With both evaluations there is a column for the change.

    `names`: heads of the two. An interval of a change that leaves out 0 is one that other examples would show too.
    """
    before, after = found.before, found.after
    given = [e for e in (before, after) if e is not None]
    if not given:
        return (by, "examples", "tokens", "loss"), []
    both = before is not None and after is not None
    heads = (by, "examples", "tokens", *((*names, "change") if both else ("loss",)), "95 %", "perplexity")
    last = given[-1]
    lines = []
    for part in [*(s for s in last.slices if s.by == by), last.overall]:
        counts = (part.name, f"{part.examples:,}", f"{part.tokens:,}")
        perplexity = "-" if part.perplexity is None else f"{part.perplexity:,.2f}"
        if both:
            key = (part.by, part.name)
            first = given[0].overall if part is last.overall else given[0].find(*key)
            change = found.change(*key)
            numbers = [
                _number(first.loss if first else None),
                _number(part.loss),
                _change(change, first, part),
                _interval(change),
            ]
        else:
            numbers = [_number(part.loss), _interval(part)]
        lines.append((*counts, *numbers, perplexity))
    return heads, lines


def score_rows(found: BeforeAfter, by: str = "template", names: Names = ("before", "after")) -> tuple[Row, list[Row]]:
    """Scores of replies, heads and rows: one row a slice and metric, the whole last.

    What is measured on every reply stands in a slice's first row: the share that the model ended itself, the mean
    length in tokens, and how many of all single words are different.
    """
    before, after = found.before, found.after
    both = before is not None
    heads = (by, "metric", "n", *((*names, "change") if both else ("score",)), "95 %", "stopped", "tokens", "distinct")
    lines: list[Row] = []
    if after is None:
        return heads, lines
    slices = dict.fromkeys([*((s.by, s.name) for s in after.scores if s.by == by), ("all", "all")])
    for key in slices:
        of_slice = [s for s in after.scores if (s.by, s.name) == key]
        beside = [_beside(before, after, *key, metric) for metric in BESIDE[:3]]
        for number, score in enumerate([s for s in of_slice if s.metric not in BESIDE] or of_slice[:1]):
            change = found.change(*key, score.metric)
            first = before.score(*key, score.metric) if before is not None else None
            numbers = [_number(score.value), _interval(score)]
            if both:
                moved = "-" if change is None else f"{change.value:+.3f}"
                numbers = [_number(first.value if first else None), _number(score.value), moved, _interval(change)]
            name, shown = (key[1], beside) if number == 0 else ("", ["", "", ""])
            lines.append((name, score.metric, f"{score.examples:,}", *numbers, *shown))
    return heads, lines


def _beside(before: Evaluation | None, after: Evaluation, by: str, name: str, metric: str) -> str:
    found = [e.score(by, name, metric) for e in (before, after) if e is not None]
    digits = 0 if metric == "tokens" else 2
    return " → ".join("-" if s is None or s.value is None else f"{s.value:.{digits}f}" for s in found)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(found: Slice | Score | Change | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "-"
    sign = "+" if isinstance(found, Change) else ""
    return f"{found.low:{sign}.3f} to {found.high:{sign}.3f}"


def _change(change: Change | None, first: Slice | None, last: Slice) -> str:
    if change is not None:
        return f"{change.value:+.3f}"
    if first is None or first.loss is None or last.loss is None:
        return "-"
    return f"{last.loss - first.loss:+.3f}"
