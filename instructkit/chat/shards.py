"""Parquet shards of examples, read by split. Documents are read as examples with one message: their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from instructkit.chat.documents import as_examples
from instructkit.errors import InputError, first_line
from instructkit.schema import Document, Example, check
from instructkit.text.view import plain_texts


def read_split(shards: Sequence[Path], split: str) -> Iterator[pl.DataFrame]:
    """The rows of one split, shard by shard, in order. Raises InputError or StageError for other files."""
    for path in shards:
        yield _read(path).filter(pl.col("split") == split)


def split_counts(shards: Sequence[Path]) -> dict[str, int]:
    """Rows per split; rows without one under "". Raises InputError."""
    counts: dict[str, int] = {}
    for path in shards:
        with _readable(path):
            scanned = pl.scan_parquet(path, glob=False)
            none = "train" if _holds_documents(scanned.collect_schema().names()) else ""
            column = scanned.select(pl.col("split").fill_null(none)).collect()["split"]
        for split, count in column.value_counts().rows():
            counts[split] = counts.get(split, 0) + count
    return dict(sorted(counts.items()))


def hold_texts(shards: Sequence[Path]) -> bool:
    """Whether any row is a plain text. Raises InputError."""
    return any(_holds_texts(path) for path in shards)


def _holds_texts(path: Path) -> bool:
    with _readable(path):
        scanned = pl.scan_parquet(path, glob=False)
        if _holds_documents(scanned.collect_schema().names()):
            return True
        return bool(scanned.select(plain_texts().any()).collect().item())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: not a Parquet shard of examples ({first_line(error)})") from error


def _read(path: Path) -> pl.DataFrame:
    with _readable(path):
        shard = pl.read_parquet(path, glob=False)
    if _holds_documents(shard.columns):
        return as_examples(check(Document, shard, str(path)))
    return check(Example, shard, str(path))


def _holds_documents(names: Sequence[str]) -> bool:
    return "text" in names and "messages" not in names
