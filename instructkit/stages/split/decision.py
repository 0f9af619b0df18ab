"""Who goes where: rows become units, units get a split each, and rows that may not be there are dropped.

rows ─▶ units ─┬─ stood in a split of the earlier build ──▶ that one          (in two: newcomers go, the others stay)
               ├─ all of it held out ─────────────────────▶ test
               ├─ too large for any other ────────────────▶ the largest split
               └─ free ─┬─ shares ──▶ by its place, a hash or, stratified, on the circle of its stratum
                        └─ counts ──▶ in the order of places, to the row
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import uniform
from instructkit.stages.group.values import in_one
from instructkit.stages.split.allocate import Ints, Mask, Unreachable, around_circles, by_place, exactly
from instructkit.stages.split.held_out import HoldOut, held
from instructkit.stages.split.sizes import SPLITS, Sizes
from instructkit.stages.split.units import apart, torn, with_units

DECISION = pl.Schema({name: pl.String() for name in ("id", "split", "group", "rule", "value", "threshold", "detail")})
"""A row for each record that is decided about. `split`: where it goes; `group`: its group, where that changes; `rule`
and what follows: why it goes no further, null where it does."""

TRAIN, VALIDATION, TEST = range(3)
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
        standing = _standing(units.filter(~free), settled)
        _refuse_unfit(units, settled, weights, names, standing, asked.sizes.counts or ())
        chosen = _counted(places, weights, standing, asked.sizes)
    result = np.full(units.height, -1, dtype=np.int64)
    result[free.to_numpy()] = chosen
    return units.with_columns(split=pl.coalesce("split", pl.when(free).then(named(result))))


def _standing(units: pl.DataFrame, settled: pl.DataFrame) -> list[int]:
    """Rows that each split has already, those left out that may not be there."""
    rows = [
        units.filter(split=name).select((pl.col("rows") - (pl.col("held") if name != SPLITS[TEST] else 0)).sum()).item()
        for name in SPLITS
    ]
    beside = [
        settled.filter(pl.col("split") == name, pl.col("held").is_null() | (pl.lit(name) == SPLITS[TEST])).height
        for name in SPLITS
    ]
    return [int(one or 0) + other for one, other in zip(rows, beside, strict=True)]


def _refuse_unfit(
    units: pl.DataFrame,
    settled: pl.DataFrame,
    weights: Sequence[Ints],
    names: Sequence[str],
    standing: Sequence[int],
    counts: Sequence[int | None],
) -> None:
    """Refuse counts that what must go to a split exceeds, and groups that no split has room for. `weights` and `names`
    are those of the units that are free.
    """
    for split, count in enumerate(counts):
        if count is None or standing[split] <= count:
            continue
        here = units.filter(split=SPLITS[split])
        held = 0 if split == TEST else pl.col("held")
        rows = dict(here.group_by("why").agg((pl.col("rows") - held).sum()).rows())
        giants = here.filter(why="giant").sort("rows", "unit", descending=[True, False])["unit"].to_list()
        parts = {
            "of the earlier build": standing[split] - rows.get("held", 0) - rows.get("giant", 0),
            "held out": rows.get("held", 0),
            f"in groups too large for another split (the largest: '{''.join(giants[:1])}')": rows.get("giant", 0),
        }
        said = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)
        left = units["rows"].sum() + settled.height - standing[split]
        rest = "" if None in counts else ", or let it be the `rest`"
        raise StageError(
            f"{SPLITS[split]}: {count:,} rows are asked for, and {standing[split]:,} stand there already: {said}. Ask "
            f"for {standing[split]:,} or more{rest}; {left:,} rows are left for the others"
        )
    if None in counts or not names:
        return
    room = [(count or 0) - there for count, there in zip(counts, standing, strict=True)]
    unfit = np.logical_and.reduce([weight > left for weight, left in zip(weights, room, strict=True)])
    if unfit.any():
        largest = int(np.argmax(np.where(unfit, weights[TRAIN], -1)))
        roomiest = room.index(max(room))
        raise StageError(
            f"group '{names[largest]}' has {int(weights[roomiest][largest]):,} rows, and no split has room for it: "
            + ", ".join(f"{name} for {left:,}" for name, left in zip(SPLITS, room, strict=True))
            + ". Let the split that is to have it be the `rest`"
        )


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


def _counted(places: np.ndarray, weights: Sequence[Ints], standing: Sequence[int], sizes: Sizes) -> Ints:
    """Numbers of splits in which the counts are met exactly. Raises StageError where whole groups cannot."""
    assert sizes.counts is not None
    counts = sizes.counts
    last = counts.index(None) if None in counts else counts.index(max(count or 0 for count in counts))
    exact = [split for split in (TEST, VALIDATION, TRAIN) if split != last]
    order = np.argsort(places, kind="stable")
    first: StageError | None = None
    # What one takes may be what another cannot do without: then the other one chooses first.
    for turns in (exact, exact[::-1]):
        try:
            chosen = _in_turn(turns, last, order, weights, standing, counts)
            break
        except StageError as error:
            first = first or error
    else:
        assert first is not None
        raise first
    found = standing[last] + int(weights[last][chosen == last].sum())
    if counts[last] is not None and found != counts[last]:
        raise StageError(
            f"{SPLITS[last]}: {counts[last]:,} rows are asked for and {found:,} are left when the other splits have "
            f"theirs; let one split be `rest`, or ask for {found:,}"
        )
    return chosen


def _in_turn(
    exact: Sequence[int],
    last: int,
    order: Ints,
    weights: Sequence[Ints],
    standing: Sequence[int],
    counts: Sequence[int | None],
) -> Ints:
    chosen = np.full(len(order), last, dtype=np.int64)
    left: Mask = np.ones(len(order), dtype=np.bool_)
    for split in exact:
        count = counts[split]
        assert count is not None
        pool = order[left[order]]
        try:
            taken = pool[exactly(weights[split][pool], count - standing[split])]
        except Unreachable as error:
            near = [error.below] + ([] if error.above is None else [error.above])
            said = " or ".join(f"{standing[split] + rows:,}" for rows in near)
            beside = [SPLITS[each] for each in exact[: exact.index(split)]]
            several = sum(bool(counts[each]) for each in exact) > 1
            raise StageError(
                f"{SPLITS[split]}: whole groups cannot have exactly {count:,} rows"
                + (f" beside those of {', '.join(beside)}" if beside else "")
                + f"; next to it they can have {said}. Ask for one of these, or for a share"
                + ("; another pair of counts may work too" if several else "")
            ) from None
        chosen[taken] = split
        left[taken] = False
    return chosen
