"""Loss on the examples that share a value, with intervals; and how two models differ on the same examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from instructkit.errors import UsageFault, did_you_mean
from instructkit.evaluate.bootstrap import Estimate, estimate, numbered, paired, ratio
from instructkit.evaluate.losses import ABOUT
from instructkit.evaluate.result import Change, Slice
from instructkit.text.jsonfields import extract

COLUMNS = (*(name for name in ABOUT if name not in ("id", "content_hash", "meta")), "file")
"""What can be sliced by, beside `meta.KEY`."""


def check_columns(by: Iterable[str]) -> None:
    """Raises UsageFault for what cannot be sliced by."""
    for column in by:
        if column not in COLUMNS and not column.startswith("meta."):
            known = ", ".join([*COLUMNS, "meta.KEY"])
            raise UsageFault(f"no losses by '{column}'{did_you_mean(column, COLUMNS)} (known: {known})")


def loss_slices(rows: pl.DataFrame, by: Sequence[str], seed: int = 0) -> list[Slice]:
    """The slice of everything, then those by each column, sorted by name. `rows` as `losses.measure` gives them."""
    return [_slice(column, name, part, seed) for column, name, part in parts(rows, by)]


def loss_changes(before: pl.DataFrame, after: pl.DataFrame, by: Sequence[str], seed: int = 0) -> list[Change]:
    """The change of each slice's loss on the examples that both have; equal ids with other content do not count."""
    keys = ["id", "content_hash"]
    both = after.join(
        before.select(*keys, "weight", "loss"), on=keys, how="inner", suffix="_before", maintain_order="left"
    )
    found = []
    for column, name, part in parts(both, by):
        first, last = (
            part.select(pl.col(f"loss{s}"), pl.col(f"weight{s}")).to_numpy().astype(np.float64) for s in ("_before", "")
        )
        difference = paired(first, last, numbered(part["group"].to_list()), ratio, seed)
        found += changes_of(column, name, ("loss",), part.height, difference)
    return found


def _expression(column: str) -> pl.Expr:
    value = extract("meta", column.split(".")[1:], "text") if column.startswith("meta.") else pl.col(column)
    return value.fill_null("-").alias("name")


def parts(rows: pl.DataFrame, by: Sequence[str]) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """(column, value, the rows that have it): first everything, then each column's values, sorted."""
    yield "all", "all", rows
    for column in by:
        named = rows.with_columns(_expression(column))
        for (name,), part in sorted(named.partition_by("name", as_dict=True, maintain_order=True).items()):
            yield column, str(name), part


def _slice(by: str, name: str, part: pl.DataFrame, seed: int) -> Slice:
    loss, low, high = None, None, None
    groups = numbered(part["group"].to_list())
    if part["weight"].sum():
        found = estimate(part.select("loss", "weight").to_numpy(), groups, ratio, seed)
        loss, low, high = (number(each[0]) for each in found)
    return Slice(
        by=by,
        name=name,
        examples=part.height,
        tokens=int(part["tokens"].sum()),
        loss=loss,
        low=low,
        high=high,
        groups=int(groups.max()) + 1 if len(groups) else 0,
        perplexity=None if loss is None else math.exp(min(loss, 700.0)),
    )


def changes_of(by: str, name: str, metrics: Sequence[str], examples: int, found: Estimate) -> list[Change]:
    """The changes of a slice, those that are defined."""
    return [
        Change(
            by=by, name=name, metric=metric, value=float(value), low=number(low), high=number(high), examples=examples
        )
        for metric, value, low, high in zip(metrics, *found, strict=True)
        if math.isfinite(value)
    ]


def number(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None
