"""The decision of a mix: how often each row comes up, and why some never do."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple, get_args

import polars as pl

from instructkit.errors import StageError, did_you_mean
from instructkit.stages.mix.drawn import repeats_by_tokens, repeats_of_rows, within_caps
from instructkit.stages.mix.targets import divided, most, proportional, weighted

Column = Literal["source", "task", "template", "language"]
COLUMNS: tuple[Column, ...] = get_args(Column)
Unit = Literal["rows", "tokens"]
SHOWN = 10
"""Values that a message lists."""

MIXED = pl.Schema(
    {
        "id": pl.String(),
        "repeats": pl.Int64(),
        "rule": pl.String(),
        "value": pl.String(),
        "threshold": pl.String(),
        "detail": pl.String(),
    }
)
"""A row of the mix. `repeats`: how often it comes up; the rest says why that is never, and is null for other rows."""


class Plan(NamedTuple):
    """The settings of a mix; `mix.Mix` says what they mean."""

    by: Column
    weights: Mapping[str, float] | None
    caps: Mapping[str, int | dict[str, int]]
    temperature: float
    budget: int | None
    unit: Unit
    epochs: float


def mixed(sketches: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Each sketched row with the columns of MIXED, sorted by id.

    `sketches`: columns id, draw, those of Column (never null) and, where tokens count, tokens; in any order. Raises
    StageError where the plan names a value that no row has, leaves one out that occurs, or asks for more than the rows
    can give.
    """
    rows = sketches.sort("draw", "id")
    caps = _limits(rows, plan.caps)
    rows = rows.with_columns(over=pl.Series(within_caps(rows, caps), dtype=pl.String))
    left = rows.filter(pl.col("over").is_null())
    size = pl.len().cast(pl.Int64) if plan.unit == "rows" else pl.col("tokens").sum()
    # A value all of whose rows are over a cap has a size too: none.
    sizes: dict[str, int] = dict.fromkeys(rows[plan.by].unique().sort(), 0)
    sizes |= dict(left.group_by(plan.by).agg(size).iter_rows())
    targets = _targets(sizes, plan)
    parts = [_drawn(part, targets[part[plan.by][0]], plan) for part in left.partition_by(plan.by)]
    return pl.concat([_over(rows, caps), *parts]).sort("id")


def _limits(rows: pl.DataFrame, caps: Mapping[str, int | dict[str, int]]) -> dict[str, dict[str, int]]:
    """Column → value → most rows of it. Raises StageError for a value that no row has."""
    limits: dict[str, dict[str, int]] = {}
    for column, cap in caps.items():
        there = rows[column].unique().sort().to_list()
        if isinstance(cap, dict):
            _check_named(f"caps: {column}", cap, there, column)
        limits[column] = cap if isinstance(cap, dict) else dict.fromkeys(there, cap)
    return limits


def _targets(sizes: dict[str, int], plan: Plan) -> dict[str, int]:
    """Value → rows or tokens that it is to come up with. Raises StageError."""
    if plan.weights is None:
        shares = proportional(sizes, plan.temperature)
    else:
        _check_named("weights", plan.weights, list(sizes), plan.by)
        if forgotten := [value for value in sizes if value not in plan.weights]:
            raise StageError(
                f"mix: weights: {plan.by} {_listed(forgotten)} occurs and has no weight; give it one, or 0 to leave "
                "its rows out"
            )
        shares = {value: share for value, share in weighted(plan.weights).items() if value in sizes}
    epochs = Fraction(str(plan.epochs))
    available = {value: int(size * epochs) for value, size in sizes.items()}
    if plan.budget is None:
        return divided(most(available, shares), shares)
    targets = divided(plan.budget, shares)
    lacking = {value: target for value, target in targets.items() if target > available[value]}
    if lacking or sum(targets.values()) < plan.budget:
        raise StageError(_too_little(lacking, sizes, most(available, shares), plan))
    return targets


def _too_little(lacking: Mapping[str, int], sizes: Mapping[str, int], fits: int, plan: Plan) -> str:
    """What is missing for a budget, and the ways out."""
    wanted = "; ".join(
        f"{plan.by} '{value}' has {sizes[value]:,} and is to give {target:,}" for value, target in lacking.items()
    )
    ways = [f"lower {plan.unit} to {fits:,}"] if fits else []
    if lacking and all(sizes[value] for value in lacking):
        epochs = max(Fraction(target, sizes[value]) for value, target in lacking.items())
        ways.append(f"raise epochs to {ceil(epochs * 100) / 100:g}")
    ways.append("change the weights" if plan.weights is not None else "add rows")
    return (
        f"mix: {plan.unit}: {plan.budget:,} is more than the rows give when none comes up more than {plan.epochs:g} "
        f"times{': ' + wanted if wanted else ''}; {', or '.join(ways)}"
    )


def _drawn(rows: pl.DataFrame, target: int, plan: Plan) -> pl.DataFrame:
    """MIXED for the rows of one value, which stand in drawn order."""
    if plan.unit == "tokens":
        repeats = repeats_by_tokens(rows["tokens"].to_numpy(), target)
    else:
        repeats = repeats_of_rows(rows.height, target)
    value = rows[plan.by][0]
    weight = "" if plan.weights is None else f"weight {plan.weights[value]:g} of {sum(plan.weights.values()):g}: "
    drawn = f"{target:,} {plan.unit} come up, of other rows" if target else "no row comes up"
    said = {
        "rule": "mix_weight",
        "value": f"{plan.by} '{value}'",
        "threshold": f"{target} {plan.unit}",
        "detail": f"{weight}{drawn}",
    }
    never = pl.col("repeats") == 0
    return (
        rows.select("id", repeats=pl.Series(repeats, dtype=pl.Int64))
        .with_columns(pl.when(never).then(pl.lit(words)).alias(name) for name, words in said.items())
        .cast(dict(MIXED))  # type: ignore[arg-type]
    )


def _over(rows: pl.DataFrame, caps: Mapping[str, Mapping[str, int]]) -> pl.DataFrame:
    """MIXED for the rows that a cap leaves out."""
    parts = [pl.DataFrame(schema=MIXED)]
    for column, limits in caps.items():
        cap = pl.col(column).replace_strict(limits, default=None, return_dtype=pl.String)
        parts.append(
            rows.filter(pl.col("over") == column).select(
                "id",
                repeats=pl.lit(0, pl.Int64),
                rule=pl.lit("mix_cap"),
                value=pl.format("{} '{}'", pl.lit(column), column),
                threshold=pl.format("{} rows", cap),
                detail=pl.format("the cap of {} '{}' is full of other rows", pl.lit(column), column),
            )
        )
    return pl.concat(parts)


def _check_named(where: str, named: Mapping[str, object], there: list[str], column: str) -> None:
    """Raises StageError for a value that no row has."""
    for value in named:
        if value not in there:
            raise StageError(
                f"mix: {where}: no row has the {column} '{value}'{did_you_mean(value, there)} "
                f"(there are: {_listed(there) or 'no rows'})"
            )


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return ", ".join(f"'{value}'" for value in values[:SHOWN]) + more
