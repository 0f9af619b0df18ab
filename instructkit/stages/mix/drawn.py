"""Which rows of a mix come up, and how often. Rows stand in drawn order: by a seeded hash of their ids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

Repeats = npt.NDArray[np.int64]


def within_caps(rows: pl.DataFrame, caps: Mapping[str, Mapping[str, int]]) -> list[str | None]:
    """For each row the column whose cap leaves it out, or None: rows are taken in their order while there is room.

    `caps`: column → value → how many rows it may have; a value that is not named may have any number. So a row is left
    out only where a cap of its own is full. [n]
    """
    capped = list(caps)
    room = {column: dict(caps[column]) for column in capped}
    left_out: list[str | None] = []
    for values in rows.select(capped).iter_rows() if capped else ((),) * rows.height:
        row = list(zip(capped, values, strict=True))
        full = next((column for column, value in row if room[column].get(value, 1) <= 0), None)
        left_out.append(full)
        if full is None:
            for column, value in row:
                if value in room[column]:
                    room[column][value] -= 1
    return left_out


def repeats_of_rows(count: int, target: int) -> Repeats:
    """How often each of `count` rows comes up, so that they come up `target` times in all: as evenly as can be.

    Example: 3 rows, 8 times -> 3, 3, 2.
    """
    base, more = divmod(target, count) if count else (0, 0)
    return base + (np.arange(count) < more).astype(np.int64)


def repeats_by_tokens(tokens: Repeats, target: int) -> Repeats:
    """The same for a target in tokens: all rows equally often, then once more the first rows that there is room for.

    The tokens in all are at most `target`, and fall short of it by less than the row has that would come next. Rows
    without tokens come up with the others. `tokens`: [n] of each row.
    """
    total = int(tokens.sum())
    base, more = divmod(target, total) if total else (0, 0)
    once_more = (np.cumsum(tokens) <= more) & (tokens > 0)
    return np.where(tokens > 0, base + once_more, max(base, min(target, 1))).astype(np.int64)
