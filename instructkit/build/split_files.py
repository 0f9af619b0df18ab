"""Writing exported rows: one file a split, streamed, and put in place only when all of it is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import file_digest

ROWS_PER_GROUP = 10_000
"""Of a Parquet row group. Fixed, so that the bytes do not depend on how the rows were cut into shards."""

SPLIT_NAME = re.compile(r"\w[\w.-]*")

OUR_SPLITS = ("train", "validation", "test", "all")
"""Files of these splits can only be an earlier export's."""


class Export(Protocol):
    """What the writer asks of an export stage."""

    file_format: Any
    """`jsonl`: rows have a column `line`. `parquet`: all columns are written."""
    file_name: Any
    """Path inside the folder, with `{split}`."""
    unsplit: Any
    """Takes the place of a split's name for rows without one."""


class FileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was written."""

    name: str
    """Path inside the folder, with forward slashes."""
    split: str
    rows: int
    size_bytes: int
    digest: str
    """Content hash, see `hashing.file_digest`."""


def write_split_files(shards: Iterable[pl.DataFrame], folder: Path, stage: Export) -> dict[str, FileInfo]:
    """Write what an export kept, in the order given, to one file for each split; the files by name.

    `shards` have the columns of the stage's `kept` (`id`, `split`, and `line` or the typed columns). Held in memory: a
    shard, and for Parquet a row group a split. Files are written beside and renamed when all are complete; after an
    error none is changed.

    Raises StageError for a split whose name cannot be a file's, and when the folder holds another split's file of an
    earlier export, which would pass for a part of this one. Raises OSError.
    """
    writers: dict[str, _Lines | _Parquet] = {}
    try:
        for shard in shards:
            for split, rows in _by_split(shard, stage.unsplit):
                if split not in writers:
                    writers[split] = _open(folder / stage.file_name.format(split=split), stage.file_format)
                writers[split].write(rows)
        for writer in writers.values():
            writer.close()
        _refuse_stale(folder, stage, set(writers))
        found = [_put(writers[split], split, folder) for split in sorted(writers)]
    finally:
        for writer in writers.values():
            writer.discard()
    return {info.name: info for info in found}


def _by_split(shard: pl.DataFrame, unsplit: str) -> Iterable[tuple[str, pl.DataFrame]]:
    named = shard["split"].fill_null(unsplit)
    for split in named.unique(maintain_order=True):
        if not SPLIT_NAME.fullmatch(split):
            raise StageError(
                f"split '{split}' cannot name a file; use letters, digits, '_', '-' and '.', beginning with a letter"
            )
        yield split, shard.filter(named == split)


def _refuse_stale(folder: Path, stage: Export, written: set[str]) -> None:
    for split in OUR_SPLITS:
        path = folder / stage.file_name.format(split=split)
        if split not in written and path.exists():
            raise StageError(
                f"{path}: left from an earlier export, but there are no '{split}' rows now; readers of the folder "
                "would take it for a part of this export. Remove it, or export to another folder."
            )


def _open(path: Path, file_format: Literal["jsonl", "parquet"]) -> _Lines | _Parquet:
    path.parent.mkdir(parents=True, exist_ok=True)
    return _Lines(path) if file_format == "jsonl" else _Parquet(path)


def _put(writer: _Lines | _Parquet, split: str, folder: Path) -> FileInfo:
    os.replace(writer.beside, writer.path)
    return FileInfo(
        name=writer.path.relative_to(folder).as_posix(),
        split=split,
        rows=writer.rows,
        size_bytes=writer.path.stat().st_size,
        digest=file_digest(writer.path),
    )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


class _Lines:
    def __init__(self, path: Path) -> None:
        self.path, self.beside, self.rows = path, _beside(path), 0
        self._file = self.beside.open("wb")

    def write(self, rows: pl.DataFrame) -> None:
        for line in rows["line"]:
            self._file.write(line.encode() + b"\n")
        self.rows += rows.height

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self._file.close()
        self.beside.unlink(missing_ok=True)


class _Parquet:
    def __init__(self, path: Path) -> None:
        self.path, self.beside, self.rows = path, _beside(path), 0
        self._writer: Any = None
        self._waiting: list[pl.DataFrame] = []
        self._n_waiting = 0

    def write(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        self._n_waiting += rows.height
        self.rows += rows.height
        while self._n_waiting >= ROWS_PER_GROUP:
            waiting = pl.concat(self._waiting)
            self._put_group(waiting[:ROWS_PER_GROUP])
            self._waiting, self._n_waiting = [waiting[ROWS_PER_GROUP:]], waiting.height - ROWS_PER_GROUP

    def close(self) -> None:
        if self._n_waiting or self._writer is None:
            self._put_group(pl.concat(self._waiting))
        self._writer.close()

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self.beside.unlink(missing_ok=True)

    def _put_group(self, rows: pl.DataFrame) -> None:
        import pyarrow.parquet as pq

        table = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            # store_schema=False: readers see plain strings and lists, which is what `datasets` has features for.
            self._writer = pq.ParquetWriter(self.beside, table.schema, compression="zstd", store_schema=False)
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
