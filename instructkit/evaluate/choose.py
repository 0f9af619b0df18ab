"""Which examples an evaluation looks at: the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from instructkit.chat.shards import read_split, split_counts
from instructkit.errors import UsageFault
from instructkit.hashing import uniform
from instructkit.schema import Example, empty


def choose(shards: Sequence[Path], split: str, limit: int | None, seed: int) -> pl.DataFrame:
    """Examples of a split, at most `limit` per template, chosen by seeded hash of their id; sorted by that hash.

    Raises UsageFault when the split has no example, naming those that do.
    """
    frames = list(read_split(shards, split))
    examples = pl.concat(frames) if frames else empty(Example)
    if not examples.height:
        known = ", ".join(f"{name or 'none'} ({count:,})" for name, count in split_counts(shards).items())
        raise UsageFault(f"no examples of split '{split}'; the shards hold: {known or 'nothing'}")
    return drawn(examples, limit, seed)


def drawn(examples: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """The same of examples that are at hand."""
    draws = pl.Series("draw", [uniform(seed, "evaluate", id_) for id_ in examples["id"]], dtype=pl.Float64)
    examples = examples.with_columns(draws).sort("draw", "id")
    if limit is not None:
        examples = examples.filter(pl.int_range(pl.len()).over("template") < limit)
    return examples.drop("draw")
