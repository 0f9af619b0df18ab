"""`dedupe.minhash`: keep one of the records that say nearly the same in nearly the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.minhash.banding import Banding, banding, banding_faults
from instructkit.minhash.sketcher import Sketcher, Unit
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.decision import Keep, carry_out, check_ids, choice_faults, decide, record_columns
from instructkit.stages.dedupe.members import near_members
from instructkit.stages.dedupe.outlook import outlook
from instructkit.stages.dedupe.sketched import sketch_columns
from instructkit.text.normalise import Ignorable
from instructkit.text.view import View, view


@dataclass(frozen=True, kw_only=True)
class DedupeMinhash:
    """Keep one of the records whose texts share most of their word sequences, and give all of them one group.

    Pairs are found by MinHash and locality-sensitive hashing, then each is verified by its real similarity: the
    sequences of `shingle` words that both texts hold, over all that either holds (Jaccard). Verified pairs are joined
    into clusters, and one record of each cluster stays. A cluster is a chain: its ends may be less alike than the
    threshold. Texts shorter than `shingle` words are compared as a whole. Paraphrases in other words are not found.
    It stands before `split`: near-duplicates in two splits, by the looser of the two thresholds, are an error. Where
    nothing is to be dropped, `group.near` gives near-duplicates one group.
    """

    version: ClassVar[int] = 4
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash")

    of: View = "all"
    """Which text is compared. On documents only `all`, the text. On examples `all` messages, the `prompt` (everything
    but the assistant's messages) or the `response` (the assistant's)."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    """Least similarity of two texts that count as near-duplicates, from 0 to 1. 0.8 is common for web text; 0.7 finds
    more and errs more."""
    group_threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    """Least similarity of two texts that share a group, so that no split divides them. Where it is above `threshold`,
    `threshold` takes its place."""
    keep: Keep = "first"
    """Who stays. `first` in the order of the sources: by source name, then path, line and id; `longest`, or `best` by
    `score`, then as `first`."""
    score: str | None = None
    """With `keep: best`, where the number is that says who is best: `fields.quality` (documents), `meta.rating`
    (examples). The highest stays; who has none comes last."""
    prefer: tuple[str, ...] = ()
    """Sources whose records stay rather than those of others, the first named first; `keep` decides among the rest."""
    unit: Unit = "words"
    """What a shingle is made of. In scripts written without spaces (Chinese, Japanese, Thai ...) a character counts as
    a word already; `characters` is for short texts, with `shingle: 7` or so."""
    shingle: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Units in a shingle. Longer shingles make texts look less alike and tell them apart better."""
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    """Differences that do not count: `case`, `punctuation` (not the signs of arithmetic), `whitespace`, `digits`,
    `diacritics`. Digits count by default: sums with other numbers are other sums."""
    recall: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.99
    """Least probability that a pair exactly at the threshold (of `threshold` and `group_threshold`, the lower one) is
    compared at all; pairs above it fare better. Bands and rows follow from it: 26 bands of 5 rows at the defaults."""
    num_perm: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 144
    """Permutations in a signature, at most; as many are made as the recall takes. More leave room for stricter bands:
    fewer useless comparisons, at the cost of time in proportion."""
    seed: int = 0
    """Of the permutations. Left out, it is the recipe's."""

    def faults(self) -> list[str]:
        """A recall that so few permutations cannot give; a score without a use, or a use without a score."""
        return choice_faults(self.keep, self.score) + banding_faults(self.loosest, self.num_perm, self.recall)

    @property
    def loosest(self) -> float:
        """Similarity from which a pair matters."""
        return min(self.threshold, self.group_threshold)

    @property
    def banding(self) -> Banding:
        """Bands and rows for these settings."""
        found = banding(self.loosest, self.num_perm, self.recall)
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
        thresholds = {"group_threshold": self.loosest, "threshold": self.threshold}
        return outlook(self.sketcher, self.banding, thresholds, records)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Band hashes (8 bytes each) and 36 bytes more of each text, and what it takes to choose a survivor."""
        text = view(shard, self.of)
        columns = sketch_columns(self.sketcher, shard.select(text.alias("text")).to_series())
        return shard.select(record_columns(shard, text, self.score)).with_columns(columns)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """One survivor for each cluster of verified pairs.

        Raises StageError when an id stands twice, or records as alike as the looser threshold lie in two splits.
        Time and memory: see `near_members`.
        """
        check_ids(sketches)
        members = near_members(
            self.sketcher, self.banding, sketches, records, self.of, kin=self.loosest, same=self.threshold
        )
        looser = (self.loosest, self.threshold) if self.loosest < self.threshold else None
        return decide(members, sketches, self.keep, self.prefer, looser)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `near_duplicate`: the similarity to the most similar record, and the ids of that record and
        of the one that was kept.
        """
        return carry_out(shard, decision, "near_duplicate", f"{self.threshold:g}")
