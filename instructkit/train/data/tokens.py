"""Tokenised examples on disk: flat arrays that processes of one machine map and share, never lists in memory.

    <folder>/
      rows.parquet     a line an example, in order: what it is, its tokens; null tokens where it could not be labelled
      dropped.parquet  those with their reasons
      ids.bin          int32, the tokens of all examples one behind the other
      weights.bin      (int32 length, float32 weight) of each run of tokens with one weight: a chat has a few runs

The folder is written beside and renamed into place, so that one which exists is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.chat.rows import Tokenized
from instructkit.models.batch import Document
from instructkit.schema import Drop, Example, columns, empty
from instructkit.store.atomic import locked_file

FORMAT = 1
"""Raised when the files or what they hold change: a part of every key."""
BATCH_ROWS = 8192
"""Rows tokenised at a time: bounds the memory of texts, offsets and lists."""
RUN = np.dtype([("length", "<i4"), ("weight", "<f4")])

_LOCK = ".lock"
_ABOUT = {name: columns(Example)[name] for name in ("id", "source", "template", "origin", "repeats")}
_COUNTS = {"tokens": pl.Int64(), "supervised_tokens": pl.Int64(), "read_tokens": pl.Int64(), "runs": pl.Int64()}
_ROWS = pl.Schema({**_ABOUT, **_COUNTS, "weight": pl.Float64()})

Tokenize = Callable[[pl.DataFrame], Tokenized]
"""A frame to rows of the TokenizedExample noun, in order, and drops.

A row may become several pieces, one behind the other: they get ids of their own, `ID`, `ID#2`, `ID#3` …
"""


@dataclass(frozen=True)
class Tokens:
    """A folder of tokens, its arrays mapped. m rows, t tokens, r runs."""

    rows: pl.DataFrame
    """[m] id, source, template, origin, repeats; tokens, supervised_tokens, read_tokens, runs, and weight, the sum
    over the supervised tokens. The latter five are null where the example could not be labelled."""
    dropped: pl.DataFrame
    """The rows that could not be labelled, as the Drop noun."""
    ids: npt.NDArray[np.int32]
    """[t]"""
    runs: npt.NDArray[np.void]
    """[r] of RUN."""
    starts: npt.NDArray[np.int64]
    """[m + 1] where each row's tokens begin."""
    run_starts: npt.NDArray[np.int64]
    """[m + 1] where each row's runs begin."""
    read_tokens: npt.NDArray[np.int64]
    """[m] 0 where the row has no tokens."""

    def document(self, row: int) -> Document:
        """The tokens of a row; `ids` is a view of the file."""
        runs = self.runs[self.run_starts[row] : self.run_starts[row + 1]]
        return Document(
            self.ids[self.starts[row] : self.starts[row + 1]],
            np.repeat(runs["weight"], runs["length"]),
            int(self.read_tokens[row]),
        )


def write_tokens(
    folder: Path, frames: Iterable[pl.DataFrame], tokenize: Tokenize, said: Callable[[int], None] | None = None
) -> None:
    """Tokenise frames into a folder, a batch at a time. `said` is told how many rows are done.

    A process that finishes second leaves the folder of the first: it holds the same.
    """
    rows, dropped, done = [pl.DataFrame(schema=_ROWS)], [empty(Drop)], 0
    with (
        _renamed_when_whole(folder) as beside,
        (beside / "ids.bin").open("wb") as ids,
        (beside / "weights.bin").open("wb") as weights,
    ):
        for frame in frames:
            for batch in frame.iter_slices(BATCH_ROWS):
                tokenized = tokenize(batch)
                rows.append(_lines(batch, _append(tokenized.rows, ids, weights)))
                dropped.append(tokenized.dropped)
                done += batch.height
                if said is not None:
                    said(done)
        pl.concat(rows).write_parquet(beside / "rows.parquet")
        pl.concat(dropped).write_parquet(beside / "dropped.parquet")


@contextmanager
def _renamed_when_whole(folder: Path) -> Iterator[Path]:
    """A folder to write to, that takes its place when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".tokens-*.writing"):  # by a process that was killed; the lock of a live one holds
        with suppress(BlockingIOError), locked_file(left / _LOCK, alone=True):
            shutil.rmtree(left, ignore_errors=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    beside.mkdir()
    try:
        with locked_file(beside / _LOCK, alone=True):
            yield beside
            (beside / _LOCK).unlink()
            for path in beside.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            if not folder.is_dir():
                beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _append(rows: pl.DataFrame, ids: BinaryIO, weights: BinaryIO) -> pl.DataFrame:
    """Write the tokens of labelled rows; their ids and counts."""
    lengths = rows["input_ids"].list.len().cast(pl.Int64).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids.write(rows["input_ids"].explode(empty_as_null=False).to_numpy().astype("<i4").tobytes())
    weight = rows["weights"].explode(empty_as_null=False).to_numpy().astype("<f4")

    changes = np.concatenate([np.ones(min(1, len(weight)), dtype=bool), weight[1:] != weight[:-1]])
    changes[starts[:-1][lengths > 0]] = True
    run_starts = np.flatnonzero(changes)
    runs = np.empty(len(run_starts), dtype=RUN)
    runs["length"] = np.diff(np.append(run_starts, len(weight)))
    runs["weight"] = weight[run_starts]
    weights.write(runs.tobytes())

    # The first token of a row has nothing before it to be predicted from.
    weight[starts[:-1][lengths > 0]] = 0
    row = np.repeat(np.arange(len(lengths)), lengths)
    return pl.DataFrame(
        {
            "id": rows["id"],
            "piece": rows["piece"],
            "tokens": lengths,
            "supervised_tokens": np.bincount(row[weight > 0], minlength=len(lengths)),
            "read_tokens": rows["read_tokens"],
            "runs": np.diff(np.searchsorted(run_starts, starts)),
            "weight": np.bincount(row, weights=np.maximum(weight, 0), minlength=len(lengths)),
        }
    )


def _lines(batch: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """All rows of a batch with the counts of those that were labelled."""
    fallback = {"template": pl.lit(None, pl.String), "repeats": pl.lit(1.0)}
    about = batch.select(name if name in batch.columns else fallback[name].alias(name) for name in _ABOUT)
    lines = about.join(counts, on="id", how="left", validate="1:m", maintain_order="left_right")
    assert lines.filter(pl.col("tokens").is_not_null())["id"].equals(counts["id"]), "tokenize() keeps the order"
    named = pl.when(pl.col("piece") > 0).then(pl.format("{}#{}", "id", pl.col("piece") + 1)).otherwise("id")
    return lines.with_columns(id=named).select(_ROWS.names()).cast(_ROWS)


def open_tokens(folder: Path) -> Tokens | None:
    """A folder of tokens, mapped; None where there is none, or one that is not whole."""
    try:
        rows = pl.read_parquet(folder / "rows.parquet", glob=False)
        dropped = pl.read_parquet(folder / "dropped.parquet", glob=False)
        starts, run_starts = (_starts(rows[name]) for name in ("tokens", "runs"))
        ids = _mapped(folder / "ids.bin", np.dtype("<i4"), int(starts[-1]))
        runs = _mapped(folder / "weights.bin", RUN, int(run_starts[-1]))
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return None
    read = rows["read_tokens"].fill_null(0).to_numpy()
    return Tokens(rows, dropped, ids, runs, starts, run_starts, read)


def _starts(counts: pl.Series) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts.fill_null(0).to_numpy())]).astype(np.int64)


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    """A file as an array that cannot be written to. Raises ValueError where it has another length."""
    if path.stat().st_size != count * dtype.itemsize:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, expected {count * dtype.itemsize}")
    # A view of the plain class: slices of np.memmap cost several times as much.
    return np.asarray(np.memmap(path, dtype, mode="r")) if count else np.empty(0, dtype)
