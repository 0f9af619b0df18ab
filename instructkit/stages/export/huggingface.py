"""`export.huggingface`: a folder that `datasets.load_dataset` reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.schema import Drop, Example, Noun, empty
from instructkit.stages.contract import Outcome


@dataclass(frozen=True, kw_only=True)
class ExportHuggingface:
    """Write a folder that `datasets.load_dataset` and the Hugging Face Hub read: Parquet by split, and a data card.

    Every column of the examples is kept; `messages` is a list of structs with role and content first. Tool calls and
    other values that differ from row to row stay JSON text. Examples without a split become `train`, as is the custom
    there.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("pyarrow",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "parquet"
    file_name: ClassVar[str] = "data/{split}-00000-of-00001.parquet"
    unsplit: ClassVar[str] = "train"

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """The shard as it is."""
        return Outcome(shard, empty(Drop))
