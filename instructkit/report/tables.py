"""Tables for the terminal; plain aligned text where there is none."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from instructkit.build.build import BuildResult
from instructkit.build.manifest import Build
from instructkit.build.runner import StepProgress
from instructkit.recipe.recipe import Recipe

Cell = str | int | float | None
NUMBER = re.compile(r"[-+]?[\d,]+(\.\d+)?")


@dataclass(frozen=True)
class Table:
    """Rows under headings; numbers stand right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def print_table(table: Table) -> None:
    """Print a table: drawn by rich on a terminal, aligned columns elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table as RichTable

        drawn = RichTable(title=table.title, title_justify="left")
        for i, name in enumerate(table.columns):
            drawn.add_column(name, justify="right" if _is_numeric(table, i) else "left", overflow="fold")
        for row in table.rows:
            drawn.add_row(*map(_cell, row))
        Console().print(drawn)
        return
    print(plain(table))


def plain(table: Table) -> str:
    """The table as aligned text, without trailing spaces."""
    cells = [list(table.columns), *([_cell(value) for value in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    right = [_is_numeric(table, i) for i in range(len(table.columns))]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([table.title, *(f"  {line}" for line in lines), ""])


def _is_numeric(table: Table, column: int) -> bool:
    values = [row[column] for row in table.rows if row[column] not in (None, "", "-")]
    return bool(values) and all(not isinstance(value, str) or NUMBER.fullmatch(value) for value in values)


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else value


def build_table(result: BuildResult) -> Table:
    """Steps of a finished build: rows in, kept, dropped; calls that ran and that were found done."""
    rows = [
        (now.step, now.stage, now.rows_in, now.rows_kept, now.rows_dropped, now.ran, now.cached, round(now.seconds, 3))
        for now in result.steps.values()
    ]
    return Table("Steps", ("step", "stage", "rows in", "kept", "dropped", "calls ran", "found done", "seconds"), rows)


def plan_table(steps: dict[str, StepProgress], recipe: Recipe) -> Table:
    """Steps of a plan."""
    rows: list[Sequence[Cell]] = []
    for now in steps.values():
        if now.unknown:
            waits = "" if now.pending else f"waits for {', '.join(recipe.steps[now.step].upstream)}"
            rows.append((now.step, now.stage, now.cached, len(now.pending) or waits, now.rows_in or None, None, None))
        else:
            rows.append((now.step, now.stage, now.cached, 0, now.rows_in, now.rows_kept, now.rows_dropped))
    return Table("Plan", ("step", "stage", "calls done", "to run", "rows in", "kept", "dropped"), rows)


def drop_table(build: Build) -> Table | None:
    """Drops by step and rule; None when nothing was dropped."""
    counted = (
        build.drops()
        .group_by("step", "template", "rule", "threshold")
        .agg(pl.len().alias("rows"), pl.col("value").sort().first().alias("value"))
        .collect()
    )
    order = {name: i for i, name in enumerate(build.manifest.steps)}
    found = sorted(
        counted.iter_rows(named=True), key=lambda r: (order[r["step"]], -r["rows"], r["rule"], r["template"] or "")
    )
    rows = [(r["step"], r["rule"], r["template"] or "", _clip(r["threshold"] or ""), r["rows"]) for r in found]
    return Table("Dropped", ("step", "rule", "template", "threshold", "rows"), rows) if rows else None


def _clip(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def warnings_of(build: Build) -> list[str]:
    """What went through and is most likely not meant: steps that kept nothing, templates that gave no example."""
    found = []
    for name, step in build.manifest.steps.items():
        if step.rows_kept == 0 and (step.rows_in > 0 or not step.upstream):
            found.append(f"step '{name}' kept nothing; `instructkit show {name} --dropped` says why")
            continue
        for run in step.runs:
            kept = sum(ref.rows for call in run.calls for ref in call.kept)
            if run.template and kept == 0 and step.rows_in > 0:
                found.append(f"step '{name}': template {run.template} gave no example")
    return found
