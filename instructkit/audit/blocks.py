"""The rows of an audit on disk, in a temporary folder: read again by check after check, a block in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from instructkit.dedupe.corpus import Corpus
from instructkit.dedupe.parquet import ParquetTable
from instructkit.minhash.duplicates import RowNumbers
from instructkit.minhash.threads import in_threads

PLACE = ("row", "file", "line", "split", "id", "format", "fault")
"""Columns of every row."""
TEXTS = ("messages", "tools", "prompt", "opening", "asked", "replied", "answer")
"""Columns that are null where a row is no conversation."""
DERIVED = ".derived"


class Blocks:
    """Blocks of rows; `row` counts through all of them from 0."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: list[Path] = []
        self._firsts: list[int] = []
        self.rows = 0

    def add(self, rows: pl.DataFrame, texts: pl.DataFrame) -> None:
        """Keep a block: all its rows, and the columns of `texts.with_texts` for those that are conversations."""
        block = rows.select(PLACE).join(texts.select("row", *TEXTS), on="row", how="left", maintain_order="left")
        path = self._folder / f"{len(self._paths):06}.parquet"
        block.write_parquet(path, compression="lz4", statistics=False)
        self._paths.append(path)
        self._firsts.append(self.rows)
        self.rows += block.height

    def blocks(self, *columns: str) -> Iterator[pl.DataFrame]:
        """The columns of all conversations, block by block."""
        for path in self._paths:
            wanted = list(dict.fromkeys([*columns, "fault"]))
            read = pl.read_parquet(path, columns=wanted, glob=False)
            yield read.filter(pl.col("fault").is_null()).select(columns)

    def some(self, rows: Sequence[int], *columns: str) -> pl.DataFrame:
        """The columns of a few rows, in their order in the files."""
        wanted = pl.Series("row", sorted(set(rows)), dtype=pl.UInt32)
        found = []
        for path, first, end in zip(self._paths, self._firsts, [*self._firsts[1:], self.rows], strict=True):
            if wanted.is_between(first, end - 1).any():
                read = pl.read_parquet(path, columns=list(dict.fromkeys(["row", *columns])), glob=False)
                found.append(read.filter(pl.col("row").is_in(wanted.implode())))
        nothing = pl.DataFrame(schema={"row": pl.UInt32(), **dict.fromkeys(columns, pl.String())})
        return pl.concat(found) if found else nothing

    def texts(self, column: str, wanted: RowNumbers) -> Iterator[tuple[RowNumbers, pl.Series]]:
        """A column of some rows (sorted), block by block."""
        for path, first, end in zip(self._paths, self._firsts, [*self._firsts[1:], self.rows], strict=True):
            here = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, end)]
            if len(here):
                yield here, pl.read_parquet(path, columns=[column], glob=False)[column].gather(here - first)

    def derive(self, columns: Callable[[pl.DataFrame], pl.DataFrame], *of: str) -> None:
        """Keep columns that are made `of` others, null where a row is no conversation; for `corpus`."""

        def make(path: Path) -> None:
            made = columns(pl.read_parquet(path, columns=list(of), glob=False))
            made.write_parquet(path.with_suffix(DERIVED), compression="lz4", statistics=False)

        for _ in in_threads(make, self._paths):
            pass

    def rederive(self, columns: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Make the derived columns anew, of themselves."""
        for path in (path.with_suffix(DERIVED) for path in self._paths):
            made = columns(pl.read_parquet(path, glob=False))
            made.write_parquet(path, compression="lz4", statistics=False)

    def corpus(self, column: str) -> Corpus:
        """A derived column as what the engine of `instructkit dedupe` reads; rows without it have no text."""
        return Corpus([ParquetTable(path.with_suffix(DERIVED)) for path in self._paths], column)
