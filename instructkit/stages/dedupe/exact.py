"""`dedupe.exact`: keep one of the records whose text is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from instructkit.hashing import text_hashes
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.decision import MEMBER, Keep, carry_out, check_ids, choice_faults, decide, record_columns
from instructkit.text.normalise import Ignorable, normalised
from instructkit.text.view import View, view


@dataclass(frozen=True, kw_only=True)
class DedupeExact:
    """Keep one of the records whose text is the same, and give all of them one group.

    Texts are compared by a 128-bit hash. The group matters for examples: what else was made from the documents of two
    equal examples then falls into one split with them. So it stands before `split`: equal texts in two splits are an
    error.
    """

    version: ClassVar[int] = 5
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash")

    of: View = "all"
    """Which text is compared. On documents only `all`, the text. On examples `all` messages, the `prompt` (everything
    but the assistant's messages) or the `response` (the assistant's)."""
    ignore: tuple[Ignorable, ...] = ("case", "whitespace")
    """Differences that do not count: `case`, `whitespace` (runs count as one space), `punctuation` (not the signs of
    arithmetic), `digits` (all numbers are alike), `diacritics` (é is e). `[]` compares the text as it is, but for its
    Unicode form (NFC)."""
    keep: Keep = "first"
    """Who stays. `first` in the order of the sources: by source name, then path, line and id; `longest`, or `best` by
    `score`, then as `first`."""
    score: str | None = None
    """With `keep: best`, where the number is that says who is best: `fields.quality` (documents), `meta.rating`
    (examples). The highest stays; who has none comes last."""
    prefer: tuple[str, ...] = ()
    """Sources whose records stay rather than those of others, the first named first; `keep` decides among the rest."""

    def faults(self) -> list[str]:
        """A score without a use, or a use without a score."""
        return choice_faults(self.keep, self.score)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """A hash of each text (32 characters), and what it takes to choose a survivor."""
        text = view(shard, self.of)
        texts = shard.select(normalised(text, self.ignore).alias("text"))["text"]
        return shard.select(record_columns(shard, text, self.score)).with_columns(
            hash=pl.Series(text_hashes(texts), dtype=pl.String)
        )

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """One survivor for each text. Raises StageError when an id stands twice, or equal texts lie in two splits."""
        check_ids(sketches)
        equal = sketches.select("id", "hash").filter(pl.len().over("hash") > 1).collect()
        number = pl.col("hash").rank("dense").cast(pl.Int64)
        members = equal.select("id", cluster=number, kin=number, nearest=None, similarity=None).cast(MEMBER)
        return decide(members, sketches, self.keep, self.prefer)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `duplicate`; the detail names who was kept."""
        return carry_out(shard, decision, "duplicate", None)
