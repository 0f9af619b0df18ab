"""Conversations of a file, as `ingest.chat` reads them: for commands that look at a file without a recipe."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from instructkit.report.data_file import source_name
from instructkit.schema import Example, columns, empty
from instructkit.stages.ingest.chat import IngestChat


def read_examples(path: str) -> tuple[pl.DataFrame, int]:
    """A file, folder or glob as a frame of the Example noun, and how many records are no conversations.

    A Parquet file of examples (a shard of a build, an export) is read as it is. Raises InputError.
    """
    if path.endswith(".parquet") and Path(path).is_file() and pl.read_parquet_schema(path) == columns(Example):
        return pl.read_parquet(path, glob=False), 0
    stage = IngestChat(path=path, source=source_name(path))
    outcomes = [outcome for part in stage.parts(Path()) for outcome in stage.read(part)]
    kept = [outcome.kept for outcome in outcomes]
    return pl.concat(kept) if kept else empty(Example), sum(outcome.dropped.height for outcome in outcomes)
