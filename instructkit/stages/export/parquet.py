"""`export.parquet`: all columns, one Parquet file a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.schema import Document, Drop, Example, Noun, empty
from instructkit.stages.contract import Outcome


@dataclass(frozen=True, kw_only=True)
class ExportParquet:
    """Write every column of the examples, or of the documents, to one Parquet file a split. Nothing is lost."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("pyarrow",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "parquet"
    file_name: ClassVar[str] = "{split}.parquet"
    unsplit: ClassVar[str] = "all"

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """The shard as it is."""
        return Outcome(shard, empty(Drop))
