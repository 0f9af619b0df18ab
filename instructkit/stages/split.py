"""`split`: divide the data into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import uniform
from instructkit.schema import Document, Drop, Example, Noun, empty
from instructkit.stages.contract import Outcome

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
TOLERANCE = 1e-9
"""0.7 + 0.2 + 0.1 is not 1 in binary floating point."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Give each record the split `train`, `validation` or `test`, by a seeded hash of its group.

    All records of a group (the same document, or near-duplicates of it) get the same split, so nothing leaks from
    training to test. The split depends on the seed and the group only: adding records moves none. The shares are
    therefore met on average over groups, not to the record.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ()

    train: Share = 0.8
    """Share of the groups that goes to `train`, from 0 to 1. The three shares sum to 1."""
    validation: Share = 0.1
    """Share of the groups that goes to `validation`; 0 makes none."""
    test: Share = 0.1
    """Share of the groups that goes to `test`; 0 makes none."""
    seed: int = 0
    """Another seed gives another division. Left out, it is the recipe's."""

    def faults(self) -> list[str]:
        """Shares that do not sum to 1."""
        total = self.train + self.validation + self.test
        if abs(total - 1) > TOLERANCE:
            shares = f"train {self.train:g} + validation {self.validation:g} + test {self.test:g}"
            return [f"shares must sum to 1: {shares} = {total:g}"]
        return []

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Every row is kept. Raises StageError when rows already carry a split: dividing again would mix them."""
        carried = shard["split"].drop_nulls()
        if len(carried):
            raise StageError(
                f"split: {len(carried)} of {shard.height} rows already carry a split ('{carried[0]}', for one); "
                "dividing them again would let test data into training. Remove one of the two split steps."
            )
        groups = shard["group"].unique(maintain_order=True).to_list()
        splits = pl.Series([self.split_of(group) for group in groups], dtype=pl.String)
        named = pl.col("group").replace_strict(groups, splits, return_dtype=pl.String).alias("split")
        return Outcome(shard.with_columns(named) if groups else shard, empty(Drop))

    def split_of(self, group: str) -> str:
        """The split of a group.

        0 ──────── train ──────── 0.8 ─ validation ─ 0.9 ─ test ─ 1
                        where uniform(seed, group) falls
        """
        point = uniform(self.seed, "split", group)
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, end in zip(shares, accumulate(shares.values()), strict=True):
            if point < end:
                return name
        return [name for name, share in shares.items() if share][-1]  # the shares sum to a hair below 1
