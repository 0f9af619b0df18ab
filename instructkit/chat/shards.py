"""Parquet shards of examples, read by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from instructkit.errors import InputError
from instructkit.schema import Example, check


def read_split(shards: Sequence[Path], split: str) -> Iterator[pl.DataFrame]:
    """The rows of one split, shard by shard, in order. Raises InputError or StageError for other files."""
    for path in shards:
        yield _read(path).filter(pl.col("split") == split)


def split_counts(shards: Sequence[Path]) -> dict[str, int]:
    """Rows per split; rows without one under "". Raises InputError."""
    counts: dict[str, int] = {}
    for path in shards:
        try:
            column = pl.scan_parquet(path, glob=False).select(pl.col("split").fill_null("")).collect()["split"]
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{path}: not a Parquet shard of examples ({_first_line(error)})") from error
        for split, count in column.value_counts().rows():
            counts[split] = counts.get(split, 0) + count
    return dict(sorted(counts.items()))


def _read(path: Path) -> pl.DataFrame:
    try:
        shard = pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: not a Parquet shard of examples ({_first_line(error)})") from error
    return check(Example, shard, str(path))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
