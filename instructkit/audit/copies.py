"""Rows that repeat earlier rows: exactly, nearly, or in their prompts only."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from instructkit.audit.ground import Ground
from instructkit.audit.known import SEEDS
from instructkit.audit.spool import Spool
from instructkit.dedupe.find import search
from instructkit.dedupe.settings import Settings
from instructkit.minhash.clusters import Members, clusters

REPEATS = pl.Schema({"row": pl.UInt32(), "other": pl.UInt32(), "similarity": pl.Float64()})
"""Rows, an earlier row that each repeats, and how alike the two are."""
SIMILARITY = 0.8
VERY = 0.95
CLUSTERS = 10


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are chained by likeness."""

    rows: int
    """Of them, exact copies included."""
    first: list[str]
    """Where the first ones stand, as `file:line`."""


def check_copies(ground: Ground) -> list[Cluster]:
    """Marks copies, near-duplicates and like prompts; gives the largest clusters of near-duplicates."""
    copied = exact(ground.known)
    same = same_prompts(ground.known)
    alike = near(ground, "whole")
    nearly = repeats_of(alike, copied)
    prompts = repeats_of(near(ground, "prompt"), pl.concat([copied, same, nearly]))
    for check, repeats in (("duplicate", copied), ("near_duplicate", nearly), ("same_prompt", same)):
        ground.tally.add(check, marks(repeats, ground))
    ground.tally.add("near_prompt", marks(prompts, ground))
    return largest(alike, ground.spool)


def exact(known: pl.DataFrame) -> pl.DataFrame:
    """Conversations that an earlier one equals, as REPEATS."""
    return _repeats(known, "said")


def same_prompts(known: pl.DataFrame) -> pl.DataFrame:
    """Conversations whose prompt an earlier one has, copies left out, as REPEATS."""
    return _repeats(known.join(exact(known), on="row", how="anti"), "prompt")


def _repeats(known: pl.DataFrame, what: str) -> pl.DataFrame:
    keys = [f"{what}_{seed}" for seed in SEEDS]
    firsts = known.group_by(keys).agg(pl.col("row").min().alias("other"))
    repeats = known.select("row", *keys).join(firsts, on=keys).filter(pl.col("row") != pl.col("other"))
    return repeats.select("row", "other", similarity=pl.lit(1.0)).cast(REPEATS).sort("row")


def near(ground: Ground, column: str) -> Members:
    """Clusters of rows whose text in a column is alike, copies included."""
    if ground.known.is_empty():
        nobody = np.empty(0, dtype=np.int64)
        return Members(nobody, nobody, nobody, np.empty(0))
    settings = Settings(text=column, threshold=SIMILARITY)
    found = search(ground.spool.corpus(column), settings, ground.folder, ground.observe)
    return clusters(found.found.edges)


def repeats_of(members: Members, copies: pl.DataFrame) -> pl.DataFrame:
    """The members that are neither their cluster's first nor a copy, as REPEATS."""
    found = pl.DataFrame(
        {"row": members.row, "other": members.nearest, "similarity": members.similarity}, schema_overrides=REPEATS
    )
    return found.filter(pl.Series(members.row != members.cluster)).join(copies, on="row", how="anti").sort("row")


def largest(members: Members, spool: Spool) -> list[Cluster]:
    """The clusters with most rows."""
    firsts, sizes = np.unique(members.cluster, return_counts=True)
    order = np.lexsort((firsts, -sizes))[:CLUSTERS]
    result = []
    for cluster, size in zip(firsts[order].tolist(), sizes[order].tolist(), strict=True):
        rows = members.row[members.cluster == cluster][:CLUSTERS].tolist()
        result.append(Cluster(rows=size, first=list(places(spool, rows).values())))
    return result


def marks(repeats: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """REPEATS as MARKS; the first ones say whom they repeat."""
    where = places(ground.spool, repeats.head(ground.named)["other"].to_list())
    similarity = pl.col("similarity")
    rule = (
        pl.when(similarity == 1)
        .then(pl.lit("same words"))
        .when(similarity >= VERY)
        .then(pl.lit(f"{VERY:g} and more"))
        .otherwise(pl.lit(f"{SIMILARITY:g} and more"))
    )
    other = pl.col("other").replace_strict(where, default=None, return_dtype=pl.String)
    like = pl.when(similarity == 1).then(pl.lit("as ")).otherwise(pl.format("{} like ", similarity.round(2)))
    return repeats.select("row", rule=rule, said=like + other)


def places(spool: Spool, rows: list[int]) -> dict[int, str]:
    """`file:line` of a few rows."""
    found = spool.some(rows, "file", "line")
    return {row: f"{file}:{line}" if line is not None else file for row, file, line in found.iter_rows()}
