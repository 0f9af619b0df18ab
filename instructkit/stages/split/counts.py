"""Exact numbers of rows for splits, in whole groups: what must go somewhere first, then the free groups in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from instructkit.errors import StageError
from instructkit.stages.split.allocate import Ints, Mask, Unreachable, exactly
from instructkit.stages.split.sizes import SPLITS, TEST, TRAIN, VALIDATION, Sizes


def standing_rows(units: pl.DataFrame, settled: pl.DataFrame) -> list[int]:
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


def refuse_unfit(
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
        # Of held-out rows nobody knows yet which are dropped.
        left = units["rows"].sum() + settled.height - standing[split]
        others = "" if units["held"].sum() else f"; {left:,} rows are left for the others"
        rest = "" if None in counts else ", or let it be the `rest`"
        raise StageError(
            f"{SPLITS[split]}: {count:,} rows are asked for, and {standing[split]:,} stand there already: {said}. Ask "
            f"for {standing[split]:,} or more{rest}{others}"
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


def counted(places: np.ndarray, weights: Sequence[Ints], standing: Sequence[int], sizes: Sizes) -> Ints:
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
