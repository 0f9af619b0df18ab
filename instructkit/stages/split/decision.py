"""Who goes where: rows become units, units get a split each, and rows that may not be there are dropped.

rows ─▶ units ─┬─ stood in a split of the earlier build ──▶ that one          (in two: newcomers go, the others stay)
               ├─ all of it held out ─────────────────────▶ test
               ├─ too large for any other ────────────────▶ the largest split
               └─ free ─┬─ shares ──▶ by its place, a hash or, stratified, on the circle of its stratum
                        └─ counts ──▶ in the order of places, to the row
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import uniform
from instructkit.stages.group.values import in_one
from instructkit.stages.split.allocate import Ints, around_circles, by_place
from instructkit.stages.split.counts import counted, refuse_unfit, standing_rows
from instructkit.stages.split.held_out import HoldOut, held
from instructkit.stages.split.sizes import SPLITS, TEST, TRAIN, Sizes
from instructkit.stages.split.units import apart, torn, with_units

DECISION = pl.Schema({name: pl.String() for name in ("id", "split", "group", "rule", "value", "threshold", "detail")})
"""A row for each record that is decided about. `split`: where it goes; `group`: its group, where that changes; `rule`
and what follows: why it goes no further, null where it does."""

FEW = 100
"""Rows of which it may be by lot that none goes to training: a small branch of a recipe is divided as others are."""
GIANT = 10
"""A group is only too large that has so many times the rows of the mean group: of ten records each is a tenth."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """What a recipe asks for."""

    sizes: Sizes
    seed: int
    strata: int
    """Columns `stratum_0`, ... of the rows."""
    hold_out: HoldOut
    largest_group: float | None

    def place(self, group: str) -> float:
        """The place in [0, 1) of a group without strata; it depends on the seed and its name only."""
        return uniform(self.seed, "split", group)

    def by_hash(self, groups: pl.Series) -> pl.Series:
        """The splits that shares give groups by their names."""
        assert self.sizes.shares is not None
        places = np.array([self.place(group) for group in groups.to_list()], dtype=np.float64)
        return named(by_place(places, self.sizes.shares))


@dataclass(frozen=True, kw_only=True)
class Divided:
    """A decision, and what it came to."""

    rows: pl.DataFrame
    """`DECISION`, of every record, and the `unit` of each."""
    giants: pl.DataFrame
    """Units that were too large: `unit`, `rows`, `split`."""
    torn: pl.DataFrame
    """What `units.torn` tells."""


def named(numbers: Ints) -> pl.Series:
    """Numbers of splits as their names."""
    return pl.Series(np.array(SPLITS, dtype=object)[numbers].tolist(), dtype=pl.String)


def divide(rows: pl.DataFrame, stood: pl.DataFrame, asked: Division) -> Divided:
    """The decision about all rows. `rows` have the columns of `Split.sketch`, `stood` those of `previous.STOOD`.

    Raises StageError for counts that whole groups cannot have, and for what `held` and `apart` refuse.
    """
    rows = held(with_units(rows, stood), asked.hold_out)
    bridged = apart(rows)
    there = rows.join(bridged, on="id", how="anti")
    units = (
        there.group_by("unit")
        .agg(
            rows=pl.len().cast(pl.Int64),
            held=pl.col("held").count().cast(pl.Int64),
            split=pl.col("old_split").drop_nulls().first(),
        )
        .sort("unit")
    )
    all_held = pl.col("held") == pl.col("rows")
    units = units.with_columns(
        split=pl.coalesce("split", pl.when(all_held).then(pl.lit(SPLITS[TEST]))),
        why=pl.when(pl.col("split").is_not_null()).then(pl.lit("old")).when(all_held).then(pl.lit("held")),
    )
    units, giants = _giants(units, rows.height, asked)
    settled = bridged.join(rows.select("id", "held"), on="id").filter(pl.col("split").is_not_null())
    units = _filled(units, _strata(there, units, asked), settled, asked)
    found = there.join(units.select("unit", "split"), on="unit", how="left")
    found = pl.concat([found.select("id", "unit", "split"), bridged.join(rows.select("id", "unit"), on="id")],
                      how="diagonal")  # fmt: skip
    for name in DECISION:
        if name not in found.columns:
            found = found.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    found = found.join(rows.select("id", "held", "pattern"), on="id")
    goes = pl.col("held").is_not_null() & (pl.col("split") != SPLITS[TEST]) & pl.col("rule").is_null()
    found = found.with_columns(
        rule=pl.when(goes).then(pl.lit("held_out")).otherwise("rule"),
        value=pl.when(goes).then("held").otherwise("value"),
        threshold=pl.when(goes).then("pattern").otherwise("threshold"),
        detail=pl.when(goes).then(pl.lit("its group is in ") + pl.col("split")).otherwise("detail"),
    )
    _refuse_empty_train(found, units, asked)
    return Divided(rows=found.select(*DECISION.names(), "unit").sort("id"), giants=giants, torn=torn(rows))


def _giants(units: pl.DataFrame, rows: int, asked: Division) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The units, of which those that are too large have the largest split, and these."""
    if asked.largest_group is None or units.is_empty():
        return units, units.select("unit", "rows", "split").clear()
    too_large = (pl.col("rows") > asked.largest_group * rows) & (pl.col("rows") * units.height >= GIANT * rows)
    giant = too_large & pl.col("split").is_null()
    home = asked.sizes.roomiest(rows)
    counts = asked.sizes.counts
    if counts is not None and None in counts:
        count = counts[home]
        beside = units.filter(split=SPLITS[home])
        there = int((beside["rows"] - (beside["held"] if home != TEST else 0)).sum())
        if count is not None and units.filter(giant)["rows"].sum() + there > count:
            home = counts.index(None)
    units = units.with_columns(
        split=pl.when(giant).then(pl.lit(SPLITS[home])).otherwise("split"),
        why=pl.when(giant).then(pl.lit("giant")).otherwise("why"),
        giant=giant,
    )
    return units.drop("giant"), units.filter("giant").select("unit", "rows", "split").sort(
        "rows", "unit", descending=[True, False]
    )


def _strata(rows: pl.DataFrame, units: pl.DataFrame, asked: Division) -> pl.Series | None:
    """The stratum of each unit, in their order: the most frequent one of its rows, of equals the first by name."""
    if not asked.strata:
        return None
    parts = [pl.col(f"stratum_{number}").fill_null("") for number in range(asked.strata)]
    stratum = in_one(parts)
    counted = rows.group_by("unit", stratum=stratum).len().sort("len", "stratum", descending=[True, False])
    most = counted.unique("unit", keep="first", maintain_order=True)
    return units.join(most, on="unit", how="left", maintain_order="left")["stratum"]


def _filled(units: pl.DataFrame, strata: pl.Series | None, settled: pl.DataFrame, asked: Division) -> pl.DataFrame:
    """The units, each with a split. `settled`: the rows beside them that have one."""
    free = units["split"].is_null()
    names = units.filter(free)["unit"].to_list()
    places = np.array([asked.place(name) for name in names], dtype=np.float64)
    sizes = units.filter(free)["rows"].to_numpy()
    if strata is not None and names:
        values, numbers = np.unique(strata.filter(free).to_numpy().astype(object), return_inverse=True)
        offsets = np.array([uniform(asked.seed, "stratum", value) for value in values.tolist()])
        places = around_circles(numbers, places, sizes, offsets)
    if asked.sizes.shares is not None:
        chosen = by_place(places, asked.sizes.shares) if names else np.empty(0, dtype=np.int64)
    else:
        kept = sizes - units.filter(free)["held"].to_numpy()
        weights = [kept, kept, sizes]
        standing = standing_rows(units.filter(~free), settled)
        refuse_unfit(units, settled, weights, names, standing, asked.sizes.counts or ())
        chosen = counted(places, weights, standing, asked.sizes)
    result = np.full(units.height, -1, dtype=np.int64)
    result[free.to_numpy()] = chosen
    return units.with_columns(split=pl.coalesce("split", pl.when(free).then(named(result))))


def _refuse_empty_train(found: pl.DataFrame, units: pl.DataFrame, asked: Division) -> None:
    """Refuse a division that leaves training nothing of its share, unless by the lot of a few rows."""
    share = asked.sizes.shares[TRAIN] if asked.sizes.shares is not None else 0
    if not share or found.filter(pl.col("split") == SPLITS[TRAIN], pl.col("rule").is_null()).height:
        return
    total, held = found.height, found["held"].count()
    if held and units["why"].null_count() == 0:
        raise StageError(
            f"train: its share is {share:g}, and it gets no row: {held:,} of {total:,} rows are held out, and the "
            "others have another split already. Hold out less, or give `train` no share"
            if held < total
            else f"train: its share is {share:g}, and it gets no row: `hold_out` holds out all {total:,} rows. Hold "
            "out less, or give `train` no share"
        )
    free = units["why"].null_count()
    if free and total >= FEW:
        groups = "1 group" if free == 1 else f"{free:,} groups"
        raise StageError(
            f"train: its share is {share:g}, and it gets none of {total:,} rows: {groups} went by lot. Join fewer "
            "records above, or try another `seed`"
        )
