"""Rows on disk, by split: read twice or three times, and looked up by their place at the end.

place    0 ……… train ……… | ……… validation ……… | ……… test ………     splits in their usual order, rows in the dataset's
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from instructkit.audit.exchanges import exchanges
from instructkit.stages.ingest.split_names import in_order

NOT_KEPT = ("messages",)
"""Columns of rows that are only looked at in passing."""


class RowSpool:
    """Rows of a dataset in a folder that is the caller's, a file for each frame of each split."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[tuple[Path, int]]] = {}
        self._others: list[tuple[Path, int]] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Keep a frame of rows; `split` says where. Of their messages the exchanges stay, see `exchanges`."""
        if {"messages", "exemplar_ids"} <= set(rows.columns):
            rows = rows.with_columns(exchanges(rows))
        for (split,), some in rows.drop(NOT_KEPT, strict=False).group_by("split", maintain_order=True):
            files = self._others if split is None else self._files.setdefault(str(split), [])
            path = self._folder / f"rows-{some['row'][0]}.parquet"  # no row stands in two frames
            some.write_parquet(path, compression="lz4", statistics=False)
            files.append((path, some.height))

    @property
    def unsplit(self) -> int:
        """Rows that belong to no split; they have no place."""
        return sum(count for _, count in self._others)

    def name_others(self, split: str) -> None:
        """Give the rows that belong to no split one of their own."""
        for path, _ in self._others:
            rows = pl.read_parquet(path, glob=False).with_columns(split=pl.lit(split))
            rows.write_parquet(path, compression="lz4", statistics=False)
        if self._others:
            self._files.setdefault(split, []).extend(self._others)
            self._others = []

    @property
    def splits(self) -> list[str]:
        """Splits with rows, in order."""
        return in_order(self._files)

    @property
    def counts(self) -> list[int]:
        """Rows of each split."""
        return [sum(count for _, count in self._files[split]) for split in self.splits]

    def chunks(self, columns: Iterable[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows in the order of their places, a frame at a time."""
        wanted = None if columns is None else list(columns)
        for path, _ in self._placed():
            yield pl.read_parquet(path, columns=wanted, glob=False)

    def scan(self) -> pl.LazyFrame:
        """All rows in the order of their places, with their `place`."""
        return pl.scan_parquet([path for path, _ in self._placed()], glob=False).with_row_index("place")

    def at(self, places: Iterable[int], columns: Iterable[str] | None = None) -> pl.DataFrame:
        """Some rows, with their `place`, in the order of their places, each once."""
        files = self._placed()
        starts = [0]
        for _, count in files:
            starts.append(starts[-1] + count)
        by_file: dict[int, list[int]] = {}
        for place in sorted(set(places)):
            by_file.setdefault(bisect_right(starts, place) - 1, []).append(place)
        wanted = None if columns is None else list(columns)
        found = [
            pl.read_parquet(files[number][0], columns=wanted, glob=False)[
                [p - starts[number] for p in inside]
            ].with_columns(place=pl.Series(inside, dtype=pl.Int64))
            for number, inside in by_file.items()
        ]
        return pl.concat(found) if found else pl.DataFrame(schema={"place": pl.Int64()})

    def _placed(self) -> list[tuple[Path, int]]:
        return [file for split in self.splits for file in self._files[split]]
