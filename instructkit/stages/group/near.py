"""`group.near`: give records that say nearly the same one group, and drop none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.minhash.banding import Banding, banding, banding_faults
from instructkit.minhash.sketcher import Sketcher, Unit
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.decision import carry_out, check_ids, decide, record_columns
from instructkit.stages.dedupe.members import near_members
from instructkit.stages.dedupe.outlook import outlook
from instructkit.stages.dedupe.sketched import sketch_columns
from instructkit.text.normalise import Ignorable
from instructkit.text.view import View, view


@dataclass(frozen=True, kw_only=True)
class GroupNear:
    """Give records whose texts share most of their word sequences one group, so that no split divides them.

    Nothing is dropped, and only `group` changes. Pairs are found and verified as by `dedupe.minhash`: shared sequences
    of `shingle` words over all that either text holds (Jaccard). A group is a chain: its ends may be less alike than
    the threshold. All that stems from the documents of a group comes along. Paraphrases in other words are not found.
    It stands before `split`: near-duplicates that already lie in two splits are an error.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash")

    of: View = "all"
    """Which text is compared. On documents only `all`, the text. On examples `all` messages, the `prompt` (everything
    but the assistant's messages) or the `response` (the assistant's)."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    """Least similarity of two texts that share a group, from 0 to 1. It is looser than what drops duplicates: two texts
    that are not quite duplicates should not lie on both sides of a split either."""
    unit: Unit = "words"
    """What a shingle is made of. In scripts written without spaces (Chinese, Japanese, Thai ...) a character counts as
    a word already; `characters` is for short texts, with `shingle: 7` or so."""
    shingle: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Units in a shingle. Longer shingles make texts look less alike and tell them apart better. Texts of fewer units
    are compared as a whole."""
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    """Differences that do not count: `case`, `punctuation` (not the signs of arithmetic), `whitespace`, `digits`,
    `diacritics`. Digits count by default: sums with other numbers are other sums."""
    recall: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.99
    """Least probability that a pair exactly at the threshold is compared at all; pairs above it fare better."""
    num_perm: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 144
    """Permutations in a signature, at most; as many are made as the recall takes. More leave room for stricter bands:
    fewer useless comparisons, at the cost of time in proportion."""
    seed: int = 0
    """Of the permutations. Left out, it is the recipe's."""

    def faults(self) -> list[str]:
        """A recall that so few permutations cannot give."""
        return banding_faults(self.threshold, self.num_perm, self.recall)

    @property
    def banding(self) -> Banding:
        """Bands and rows for these settings."""
        found = banding(self.threshold, self.num_perm, self.recall)
        assert found is not None, "checked by faults()"
        return found

    @property
    def sketcher(self) -> Sketcher:
        """The sketcher with these settings."""
        return Sketcher(
            unit=self.unit, shingle=self.shingle, ignore=self.ignore, seed=self.seed, **self.banding._asdict()
        )

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """Which pairs will be compared, and what that takes."""
        return outlook(self.sketcher, self.banding, {"threshold": self.threshold}, records)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Band hashes (8 bytes each) and 36 bytes more of each text, and what it takes to join groups."""
        text = view(shard, self.of)
        columns = sketch_columns(self.sketcher, shard.select(text.alias("text")).to_series())
        return shard.select(record_columns(shard, text, None)).with_columns(columns)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """Clusters of verified pairs, and the group of all that changes it; nobody goes.

        Raises StageError when an id stands twice, or near-duplicates lie in two splits. Time and memory: see
        `near_members`.
        """
        check_ids(sketches)
        members = near_members(
            self.sketcher, self.banding, sketches, records, self.of, kin=self.threshold, same=self.threshold
        )
        return decide(members, sketches, None)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Every row is kept, some with another group."""
        return carry_out(shard, decision, "", None)
