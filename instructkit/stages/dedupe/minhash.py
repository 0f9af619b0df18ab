"""`dedupe.minhash`: keep one of the records that say nearly the same in nearly the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.decision import Keep, carry_out, check_ids, clusters_of, decide, standing
from instructkit.stages.dedupe.engine import Engine, band_matrix
from instructkit.stages.dedupe.lsh import PairArray, bands_and_rows, candidate_pairs
from instructkit.stages.dedupe.verify import similarities
from instructkit.text.normalise import Ignorable
from instructkit.text.view import View, view


@dataclass(frozen=True, kw_only=True)
class DedupeMinhash:
    """Keep one of the records whose texts share most of their word sequences, and give all of them one group.

    Pairs are found by MinHash and locality-sensitive hashing, then each is verified by its real similarity: the
    sequences of `shingle` words that both texts hold, over all that either holds (Jaccard). Verified pairs are joined
    into clusters, and one record of each cluster stays. A cluster is a chain: its ends may be less alike than the
    threshold. Texts shorter than `shingle` words are compared as a whole. Paraphrases in other words are not found.
    It stands before `split`: near-duplicates in two splits are an error.
    """

    version: ClassVar[int] = 2
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("datasketch", "numpy", "xxhash")

    of: View = "all"
    """Which text is compared. On documents only `all`, the text. On examples `all` messages, the `prompt` (everything
    but the assistant's messages) or the `response` (the assistant's)."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    """Least similarity of two texts that count as near-duplicates, from 0 to 1. 0.8 is common for web text; 0.7 finds
    more and errs more."""
    keep: Keep = "first"
    """Who stays. `first` in the order of the sources: by source name, then path, line and id; `longest`, then as
    `first`; `all` drops nothing and only gives near-duplicates one group, so that no split divides them."""
    unit: Literal["words", "characters"] = "words"
    """What a shingle is made of. In scripts written without spaces (Chinese, Japanese, Thai ...) a character counts as
    a word already; `characters` is for short texts, with `shingle: 7` or so."""
    shingle: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Units in a shingle. Longer shingles make texts look less alike and tell them apart better."""
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    """Differences that do not count: `case`, `punctuation` (not the signs of arithmetic), `whitespace`, `digits`.
    Digits count by default: sums with other numbers are other sums."""
    num_perm: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 128
    """Permutations in a signature. More catch pairs near the threshold at less cost in comparisons, and cost time in
    proportion."""
    recall: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.95
    """Least probability that a pair exactly at the threshold is compared at all; pairs above it fare better. Bands and
    rows follow from it: 18 bands of 7 rows at the defaults, which gives 0.985."""
    seed: int = 0
    """Of the permutations. Left out, it is the recipe's."""

    def faults(self) -> list[str]:
        """A recall that so few permutations cannot give."""
        if bands_and_rows(self.threshold, self.num_perm, self.recall) is None:
            return [
                f"{self.num_perm} permutations cannot find pairs of similarity {self.threshold:g} with probability "
                f"{self.recall:g}; raise num_perm or threshold, or lower recall"
            ]
        return []

    @property
    def engine(self) -> Engine:
        """The engine with these settings."""
        banding = bands_and_rows(self.threshold, self.num_perm, self.recall)
        assert banding is not None, "checked by faults()"
        return Engine(
            unit=self.unit,
            shingle=self.shingle,
            ignore=self.ignore,
            num_perm=self.num_perm,
            bands=banding[0],
            rows=banding[1],
            seed=self.seed,
        )

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Band hashes (8 bytes each) and a fingerprint of each text, and what it takes to choose a survivor."""
        text = view(shard, self.of)
        texts = shard.select(text.alias("text"))["text"]
        return pl.concat([shard.select(standing(text)), self.engine.sketch_texts(texts)], how="horizontal")

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """One survivor for each cluster of verified pairs.

        Raises StageError when an id stands twice, or a cluster has records of two splits.
        Texts with equal fingerprints have the same shingles, so only the first of them by id is compared with others:
        a text that stands a million times costs a million steps, not their square.
        """
        rows = sketches.collect().sort("id")
        check_ids(rows)
        unlike = rows.unique("fingerprint", keep="first", maintain_order=True)
        pairs = candidate_pairs(band_matrix(unlike["bands"]))
        alike = similarities(pairs, unlike, records.select("id", text=view(records, self.of)), self.engine)
        edges = pl.concat([_equal(rows, unlike), _verified(pairs, alike, unlike["id"], self.threshold)])
        nearest = (
            pl.concat([edges, edges.select(id="nearest", nearest="id", similarity="similarity")])
            .sort("id", "similarity", "nearest", descending=[False, True, False])
            .unique("id", keep="first", maintain_order=True)
        )
        clusters = clusters_of(edges.select("id", "nearest").iter_rows())
        return decide(rows.drop("fingerprint", "bands"), clusters, self.keep, nearest)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `near_duplicate`: the similarity to the most similar record, and the ids of that record and
        of the one that was kept.
        """
        return carry_out(shard, decision, "near_duplicate", f"{self.threshold:g}")


def _equal(rows: pl.DataFrame, unlike: pl.DataFrame) -> pl.DataFrame:
    """Edges from the first text of each fingerprint to the others."""
    first = unlike.select("fingerprint", nearest="id")
    return (
        rows.select("id", "fingerprint")
        .join(first, on="fingerprint")
        .filter(pl.col("id") != pl.col("nearest"))
        .select("id", "nearest", similarity=pl.lit(1.0))
        .sort("id")
    )


def _verified(pairs: PairArray, alike: npt.NDArray[np.float64], ids: pl.Series, threshold: float) -> pl.DataFrame:
    """Edges for the pairs that are as alike as the threshold asks."""
    good = alike >= threshold
    return pl.DataFrame(
        {"id": ids.gather(pairs[good, 0]), "nearest": ids.gather(pairs[good, 1]), "similarity": alike[good]},
        schema={"id": pl.String, "nearest": pl.String, "similarity": pl.Float64},
    )
