"""What a plan says of a mix: exact counts by source and task where the rows are there, else what the recipe fixes."""

from __future__ import annotations

from typing import Any

import polars as pl

from instructkit.stages.mix.decision import Plan
from instructkit.stages.mix.targets import divided, weighted

LINES = 60
"""Longest table that is shown."""


def counts(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """What the mix makes of each value of `by`, source and task: columns of those, sorted, then numbers.

    `rows`: columns source, task, `by`, repeats, rule and, where tokens count, tokens. Of the numbers, `rows` there are;
    `over_cap` and `not_drawn` are dropped, `kept` go on; `least` and `most` are the repeats of the latter, `come_up` is
    their sum, and `tokens` the tokens in all of these.
    """
    labels = _labels(by)
    kept = pl.col("repeats") > 0
    numbers = {
        "rows": pl.len(),
        "over_cap": (pl.col("rule") == "mix_cap").sum(),
        "not_drawn": (pl.col("rule") == "mix_weight").sum(),
        "kept": kept.sum(),
        "least": pl.col("repeats").filter(kept).min(),
        "most": pl.col("repeats").filter(kept).max(),
        "come_up": pl.col("repeats").sum(),
    }
    if "tokens" in rows.columns:
        numbers["tokens"] = (pl.col("tokens") * pl.col("repeats")).sum()
    return rows.group_by(labels).agg(**numbers).sort(labels)


def table(rows: pl.DataFrame, by: str, others: int) -> list[str]:
    """`counts` as aligned text. `others`: rows of other splits, which pass."""
    found, labels = counts(rows, by), _labels(by)
    shown = found.head(LINES)
    said = [_cells(row, labels) for row in shown.iter_rows(named=True)]
    if rest := found.height - shown.height:
        said.append(_cells(_summed(found.tail(rest), labels, f"{rest:,} more"), labels))
    said.append(_cells(_summed(found, labels, "all"), labels))
    heading = [name.replace("_", " ") for name in said[0]]
    cells = [heading, *(list(line.values()) for line in said)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(f"{cell:{'<' if place < len(labels) else '>'}{widths[place]}}" for place, cell in enumerate(line))
        for line in cells
    ]
    return lines + ([f"{others:,} rows of other splits than train pass as they are"] if others else [])


def _labels(by: str) -> list[str]:
    return list(dict.fromkeys([by, "source", "task"]))


def _cells(row: dict[str, Any], labels: list[str]) -> dict[str, str]:
    """A row of the table as it is shown; `least` and `most` become one column."""
    least, most = row["least"], row["most"]
    repeats = "-" if least is None else str(least) if least == most else f"{least} to {most}"
    shown = {name: row[name] if name in labels else f"{row[name] or 0:,}" for name in row if name != "most"}
    return {("repeats" if name == "least" else name): repeats if name == "least" else shown[name] for name in shown}


def _summed(part: pl.DataFrame, labels: list[str], label: str) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: part[name].sum() for name in part.columns if name not in labels}
    numbers |= {"least": part["least"].min(), "most": part["most"].max()}
    return {**dict.fromkeys(labels, ""), labels[0]: label, **numbers}


def beforehand(plan: Plan) -> list[str]:
    """What the recipe alone fixes, one line a weight."""
    often = f"no {plan.by}'s rows more than {plan.epochs:g} times"
    much = "as many rows as there are" if plan.budget is None else f"{plan.budget:,} {plan.unit}"
    lines = [f"{much}, {often}"]
    if plan.weights is None:
        lines.append(f"each {plan.by} by its size")
    else:
        whole = sum(plan.weights.values())
        parts = divided(plan.budget, weighted(plan.weights)) if plan.budget is not None else {}
        lines += [
            f"{plan.by} '{value}': weight {weight:g} of {whole:g}"
            + (f", {parts[value]:,} {plan.unit}" if parts else "")
            for value, weight in plan.weights.items()
        ]
    return [*lines, "exact counts by source and task are known once the rows above are built"]
