"""Rows that repeat earlier rows: exactly, nearly, or in their prompts only."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import polars as pl

from instructkit.audit.blocks import Blocks
from instructkit.audit.finding import file_line
from instructkit.audit.ground import Ground
from instructkit.audit.known import SEEDS
from instructkit.audit.own import write_own
from instructkit.dedupe.find import search
from instructkit.dedupe.settings import Settings
from instructkit.minhash.buckets import packed
from instructkit.minhash.clusters import Edges, Members, clusters
from instructkit.minhash.duplicates import RowNumbers, verified_pairs
from instructkit.minhash.sketcher import ShingleSets

REPEATS = pl.Schema({"row": pl.UInt32(), "other": pl.UInt32(), "similarity": pl.Float64()})
"""Rows, an earlier row that each repeats, and how alike the two are."""
SIMILARITY = 0.8
ANSWER_SIMILARITY = 0.5
"""Of the answers of near-duplicates, at least; those of fewer words than a shingle must be the same."""
VERY = 0.95
BEGINNING = "beginning"
"""Rule of conversations that longer ones begin with."""
CLUSTERS = 10


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are chained by likeness."""

    rows: int
    """Of them, exact copies included."""
    first: list[str]
    """Where the first ones stand, as `file:line`."""


def check_copies(ground: Ground) -> list[Cluster]:
    """Marks copies, near-duplicates and like prompts; gives the largest clusters of near-duplicates."""
    same_all = exact(ground.known)
    same_talk = under_another_system(ground.known, same_all)
    begun = beginnings(ground.known, pl.concat([same_all, same_talk]))
    copied = pl.concat([same_all, same_talk, begun])
    write_own(ground)
    alike = clusters(answering_alike(ground, near(ground, "own")))
    nearly = repeats_of(alike, copied)
    same = same_prompts(ground.known, pl.concat([copied, nearly]))
    prompts = repeats_of(clusters(near(ground, "own_asked")), pl.concat([copied, nearly, same]))
    for rule, found in (("copy", same_all), ("other system prompt", same_talk), (BEGINNING, begun)):
        ground.tally.add("duplicate", marks(found, ground, rule))
    ground.tally.add("near_duplicate", marks(nearly, ground))
    ground.tally.add("same_prompt", marks(same, ground, "same prompt"))
    ground.tally.add("near_prompt", marks(prompts, ground))
    return largest(alike, ground.disk)


def exact(known: pl.DataFrame) -> pl.DataFrame:
    """Conversations that an earlier one equals, as REPEATS."""
    return _repeats(known, *(f"said_{seed}" for seed in SEEDS))


def under_another_system(known: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Conversations that an earlier one equals but for what the system says, as REPEATS; copies (REPEATS) left out."""
    return _repeats(known, "talk", "asked", "replied").join(copies, on="row", how="anti")


def beginnings(known: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Conversations with which a longer one begins, whatever the system says, as REPEATS of the first such one, which
    may be a later row; copies (REPEATS) left out.
    """
    begun = known.select("begins", other="row").drop_nulls("begins").explode("begins", empty_as_null=False)
    firsts = begun.group_by("begins").agg(pl.col("other").min())
    found = known.select("row", "talk").join(firsts, left_on="talk", right_on="begins")
    repeats = found.select("row", "other", similarity=pl.lit(1.0)).cast(REPEATS)
    return repeats.join(copies, on="row", how="anti").sort("row")


def same_prompts(known: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Conversations whose prompt an earlier one has, as REPEATS; copies and what is nearly one (REPEATS) left out."""
    return _repeats(known.join(copies, on="row", how="anti"), *(f"prompt_{seed}" for seed in SEEDS))


def _repeats(known: pl.DataFrame, *keys: str) -> pl.DataFrame:
    firsts = known.group_by(keys).agg(pl.col("row").min().alias("other"))
    repeats = known.select("row", *keys).join(firsts, on=list(keys)).filter(pl.col("row") != pl.col("other"))
    return repeats.select("row", "other", similarity=pl.lit(1.0)).cast(REPEATS).sort("row")


def near(ground: Ground, column: str) -> Edges:
    """Pairs of rows whose text in a column is alike; copies hang on the first of them."""
    if ground.known.is_empty():
        nobody = np.empty(0, dtype=np.int64)
        return Edges(nobody, nobody, np.empty(0))
    settings = Settings(text=column, threshold=SIMILARITY)
    return search(ground.disk.corpus(column), settings, ground.folder, ground.observe).found.edges


def answering_alike(ground: Ground, edges: Edges) -> Edges:
    """The pairs whose answers are alike too: two questions about one long passage are no near-duplicates."""
    sketcher = Settings(threshold=SIMILARITY).sketcher()

    def answers(wanted: RowNumbers) -> Iterable[tuple[RowNumbers, ShingleSets]]:
        for rows, texts in ground.disk.texts("replied", wanted):
            yield rows, sketcher.shingle_sets(texts)

    pairs = np.sort(packed(edges.left, edges.right))
    alike = verified_pairs(pairs, ground.disk.rows, answers, ANSWER_SIMILARITY, ground.folder)
    kept = np.isin(packed(edges.left, edges.right), packed(alike.left, alike.right))
    return Edges(edges.left[kept], edges.right[kept], edges.similarity[kept])


def repeats_of(members: Members, copies: pl.DataFrame) -> pl.DataFrame:
    """The members that are neither their cluster's first nor a copy, as REPEATS."""
    found = pl.DataFrame(
        {"row": members.row, "other": members.nearest, "similarity": members.similarity}, schema_overrides=REPEATS
    )
    return found.filter(pl.Series(members.row != members.cluster)).join(copies, on="row", how="anti").sort("row")


def largest(members: Members, disk: Blocks) -> list[Cluster]:
    """The clusters with most rows."""
    firsts, sizes = np.unique(members.cluster, return_counts=True)
    order = np.lexsort((firsts, -sizes))[:CLUSTERS]
    result = []
    for cluster, size in zip(firsts[order].tolist(), sizes[order].tolist(), strict=True):
        rows = members.row[members.cluster == cluster][:CLUSTERS].tolist()
        result.append(Cluster(rows=size, first=list(places(disk, rows).values())))
    return result


def marks(repeats: pl.DataFrame, ground: Ground, rule: str | None = None) -> pl.DataFrame:
    """REPEATS as MARKS, by similarity where they have no rule; the first ones say whom they repeat."""
    similarity = pl.col("similarity")
    by_similarity = (
        pl.when(similarity == 1)
        .then(pl.lit("same words"))
        .when(similarity >= VERY)
        .then(pl.lit(f"{VERY:g} and more"))
        .otherwise(pl.lit(f"{SIMILARITY:g} and more"))
    )
    ruled = repeats.with_columns(rule=pl.lit(rule) if rule else by_similarity)
    first = ruled.filter(pl.int_range(pl.len()).over("rule") < ground.named)
    where = places(ground.disk, first["other"].to_list())
    other = pl.col("other").replace_strict(where, default=None, return_dtype=pl.String)
    like = (
        pl.when(similarity == 1)
        .then(pl.lit("begins " if rule == BEGINNING else "as "))
        .otherwise(pl.format("{} like ", similarity.round(2)))
    )
    return ruled.select("row", "rule", said=like + other)


def places(disk: Blocks, rows: list[int]) -> dict[int, str]:
    """`file:line` of a few rows."""
    return dict(disk.some(rows, "file", "line").select("row", file_line()).iter_rows())
