"""Shards on disk. One writer makes them all, so that equal rows are equal bytes.

The same frame gives the same bytes at any thread count, but another chunking gives others: hence the rechunk and the
fixed row groups. zstd at level 1 halves the disk that lz4 takes for text, at little more time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

ROW_GROUP_ROWS = 65_536
"""More than most shards have: smaller groups take an eighth more time to write, and nobody reads a part of a shard."""
STREAMED_ROWS = 16_384
"""Of rows that are streamed, a group is what is held."""


def write_shard(shard: pl.DataFrame, path: Path) -> None:
    """Write a frame as a Parquet shard. Raises OSError."""
    shard.rechunk().write_parquet(
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP_ROWS,
        statistics=True,
    )


def sink_shard(rows: pl.LazyFrame, path: Path) -> None:
    """Write rows that may not fit into memory, streamed; equal rows are equal bytes here too. Raises OSError."""
    rows.sink_parquet(
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=STREAMED_ROWS,
        statistics=True,
        maintain_order=True,
    )


def read_shard(path: Path) -> pl.DataFrame:
    """A shard, whole."""
    return pl.read_parquet(path, glob=False)


def scan_shards(paths: Sequence[Path], schema: pl.Schema) -> pl.LazyFrame:
    """Shards lazily, one after another; an empty frame of the schema when there are none."""
    if not paths:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(list(paths), glob=False)
