"""The ledger of a training, for a person: classes by template, source or document; examples with the way of their loss.

What the falls of losses can show: on held-out examples of a template, how much better the model became at its kind by
the whole training; on training examples, that plus what it knows by heart. What they cannot: what a template's own
examples gave, since others teach it too. For that one trains without them, and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import click
import polars as pl

from instructkit.build.manifest import Build
from instructkit.errors import UsageFault, did_you_mean
from instructkit.evaluate.result import BeforeAfter, read_evaluations
from instructkit.report.lineage import place
from instructkit.report.tables import Cell, Table
from instructkit.schema import LedgerClass, LedgerEntry, columns, records

By = Literal["template", "source", "document"]
FILE = "ledger.parquet"
CLASSES: tuple[str, ...] = get_args(LedgerClass)
NOTE = (
    "A held-out fall is what the whole training did for examples of that kind, whoever taught it; training examples\n"
    "fall further by what is known by heart. What one template gave shows only by training without it."
)
BARS = "▁▂▃▄▅▆▇█"
POINTS = 16
"""Longest drawing of a loss."""


def find_ledger(build: Build, training: str | None) -> Path:
    """The ledger of a training; None: of the only one that has one. Raises UsageFault."""
    there = {path.parent.name: path for path in sorted(build.folder.glob(f"trainings/*/{FILE}"))}
    way_out = "set `ledger: true` and train"
    if training is None:
        if not there:
            raise UsageFault(f"{build.folder}: no training of this build has a ledger; {way_out}")
        if len(there) > 1:
            raise UsageFault(f"{build.folder}: several trainings have a ledger ({', '.join(there)}); name one")
        return next(iter(there.values()))
    if training in there:
        return there[training]
    if (build.folder / "trainings" / training).is_dir():
        raise UsageFault(
            f"training '{training}' has no ledger; {way_out}: `instructkit train RECIPE {training} --fresh`"
        )
    known = f" (with a ledger: {', '.join(there)})" if there else ""
    raise UsageFault(f"{build.folder}: no training '{training}'{did_you_mean(training, there)}{known}")


def read_ledger(path: Path) -> pl.DataFrame:
    """The rows of a ledger. Raises UsageFault for another file."""
    ledger = pl.read_parquet(path, glob=False)
    if ledger.schema != columns(LedgerEntry):
        raise UsageFault(f"{path}: not a ledger of this version; train again")
    return ledger


def trained_by(build: Build, example_id: str) -> dict[str, LedgerEntry]:
    """What trainings of the build made of an example, by the training's name; those that keep a ledger."""
    found: dict[str, LedgerEntry] = {}
    for path in sorted(build.folder.glob(f"trainings/*/{FILE}")):
        if pl.read_parquet_schema(path) == columns(LedgerEntry):
            row = pl.scan_parquet(path, glob=False).filter(pl.col("id") == example_id).collect()
            found.update((path.parent.name, entry) for entry in records(LedgerEntry, row))
    return found


def way(entry: LedgerEntry) -> str:
    """`loss 6.934 █▅▅ 4.654`."""
    return f"loss {_number(entry.before)} {drawn(entry)} {_number(entry.after)}"


def chosen(ledger: pl.DataFrame, classes: Sequence[str], template: str | None, document: str | None) -> pl.DataFrame:
    """The rows of those classes, that template and that document; where nothing is asked, all.

    Those furthest beyond the bound of their class come first. Raises UsageFault for a template that is not there.
    """
    if classes:
        ledger = ledger.filter(pl.col("class").is_in(classes))
    if template is not None:
        names = ledger["template"].drop_nulls().unique().sort().to_list()
        if template not in names:
            raise UsageFault(f"no such examples of template '{template}'{did_you_mean(template, names)}")
        ledger = ledger.filter(template=template)
    if document is not None:
        ledger = ledger.filter(pl.col("document_ids").list.contains(document))
    return ledger.sort((pl.col("value") - pl.col("threshold")).abs(), "id", descending=[True, False], nulls_last=True)


def class_table(ledger: pl.DataFrame, by: By, limit: int | None = None) -> Table:
    """How many examples of which class each template, source or document has; those with most to look at first."""
    rows = _keyed(ledger, by)
    counts = [(pl.col("class") == name).sum().alias(name) for name in CLASSES]
    odd = pl.sum_horizontal(name for name in CLASSES if name not in ("learned", "memorised"))
    grouped = rows.group_by("key").agg(
        pl.len().alias("examples"), *counts, pl.col("class").is_null().sum().alias("unjudged"), *_means()
    )
    names = ["key", "examples", *CLASSES, "unjudged", "before", "after"]
    found = grouped.sort(odd / pl.col("examples"), "examples", "key", descending=[True, True, False]).select(names)
    title = f"Classes by {by}; loss of its training examples, nats per supervised token"
    heads = [by, *(name.replace("-", " ") for name in names[1:])]
    return Table(title, heads, found.rows()[:limit])


def helped_table(ledger: pl.DataFrame, evaluation: Path, by: By) -> Table | None:
    """Falls of the loss by template or source, of training examples and of held-out ones; see the module.

    None by document, of which there are no held-out losses.
    """
    if by == "document":
        return None
    held_out = read_evaluations(evaluation) if evaluation.exists() else BeforeAfter(before=None)
    trained = _keyed(ledger, by).group_by("key").agg(pl.col("tokens").sum(), *_means()).sort("key")
    rows: list[Sequence[Cell]] = []
    for key, tokens, before, after in trained.iter_rows():
        first, last = ((e.find(by, key) if e is not None else None) for e in (held_out.before, held_out.after))
        losses = (first.loss if first is not None else None, last.loss if last is not None else None)
        rows.append((key, tokens, *_fall(before, after), *_fall(*losses)))
    heads = ("trained: before", "after", "fall", "held out: before", "after", "fall")
    rows.sort(key=lambda row: -(row[-1] if isinstance(row[-1], float) else row[4] if isinstance(row[4], float) else 0))
    return Table(f"What fell, by {by}: nats per supervised token", (by, "supervised tokens", *heads), rows)


def entry_lines(ledger: pl.DataFrame) -> Iterator[str]:
    """Examples with the way of their loss, three lines each."""
    for entry in records(LedgerEntry, ledger):
        colour = None if entry.class_ in ("learned", None) else "red" if entry.class_ == "suspicious" else "yellow"
        yield click.style(entry.id, bold=True) + f"  {place(entry.origin)}"
        by = "" if entry.value is None else f" ({entry.value:.3f}, bound {entry.threshold:.3f})"
        kind = entry.template or entry.source
        yield f"  {click.style(entry.class_ or 'unjudged', fg=colour)}{by}  {kind}, {entry.tokens} supervised tokens"
        yield f"  {way(entry)}  of {_documents(entry)}"


def visit_lines(entry: LedgerEntry) -> list[str]:
    """Every loss of an example, one a line."""
    points = [("before", entry.before), *((f"step {v.step:,}", v.loss) for v in entry.during), ("after", entry.after)]
    largest = max((loss for _, loss in points if loss is not None), default=0.0) or 1.0
    return [
        f"  {name:>12}  {_number(loss):>7}  " + ("" if loss is None else "█" * max(1, round(40 * loss / largest)))
        for name, loss in points
    ]


def drawn(entry: LedgerEntry) -> str:
    """The losses as a row of bars, from 0 to the largest: before, the visits (`POINTS` of them at most), after."""
    visits = [visit.loss for visit in entry.during]
    if len(visits) > POINTS:
        visits = [visits[i * (len(visits) - 1) // (POINTS - 1)] for i in range(POINTS)]
    losses = [loss for loss in (entry.before, *visits, entry.after) if loss is not None]
    largest = max(losses, default=0.0) or 1.0
    return "".join(BARS[min(len(BARS) - 1, int(loss / largest * len(BARS)))] for loss in losses)


def _keyed(ledger: pl.DataFrame, by: By) -> pl.DataFrame:
    if by == "document":
        return ledger.explode("document_ids", empty_as_null=False).rename({"document_ids": "key"})
    return ledger.with_columns(key=pl.col(by).fill_null("-"))


def _means() -> list[pl.Expr]:
    """Mean losses per token, over the examples that were measured both before and after."""
    both = pl.col("before").is_not_null() & pl.col("after").is_not_null()
    tokens = pl.col("tokens").filter(both)
    return [
        (pl.when(tokens.sum() > 0).then((pl.col(name).filter(both) * tokens).sum() / tokens.sum())).alias(name)
        for name in ("before", "after")
    ]


def _fall(before: float | None, after: float | None) -> tuple[float | None, float | None, float | None]:
    return before, after, None if before is None or after is None else before - after


def _number(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.3f}"


def _documents(entry: LedgerEntry) -> str:
    shown = ", ".join(entry.document_ids[:3]) or "no document"
    return shown + (f" and {len(entry.document_ids) - 3} more" if len(entry.document_ids) > 3 else "")
