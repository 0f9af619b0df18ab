"""From clusters of duplicates to a decision: who stays, who goes, and which groups become one.

cluster   id   group          survivor   group after
x         a    g1             a          g1
x         b    g2             a (b goes) g1
c    g2             c          g1      c stems from the same document as b, so it moves with it
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import polars as pl

from instructkit.errors import StageError
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.union import united
from instructkit.stages.drops import sort_out

Keep = Literal["first", "longest", "all"]
"""Who survives of a cluster. `first` in the order of the sources: by source name, path, line, then id. `longest` by
characters, then as `first`. `all` drops nothing and only gives the cluster one group."""

DECISION = pl.Schema(
    {
        "id": pl.String(),
        "group": pl.String(),
        "survivor": pl.String(),
        "nearest": pl.String(),
        "similarity": pl.Float64(),
    }
)
"""One row for each record that goes or changes its group. `group`: its group from now on. `survivor`: who stays in its
place, null for a record that stays. `nearest`: the record it is most like, and how much."""

SOURCE_ORDER = ["source", "file", "line", "id"]


def standing(text: pl.Expr) -> list[pl.Expr]:
    """What a sketch must know of each record to choose a survivor and to join groups."""
    return [
        pl.col("id"),
        pl.col("group"),
        pl.col("split"),
        pl.col("source"),
        pl.col("origin").struct.field("file"),
        pl.col("origin").struct.field("line"),
        text.str.len_chars().cast(pl.Int64).alias("characters"),
    ]


def check_ids(rows: pl.DataFrame) -> None:
    """Raises StageError when an id stands twice: a decision by id would hit both records."""
    twice = rows.filter(pl.col("id").is_duplicated())["id"]
    if len(twice):
        raise StageError(
            f"id '{twice.sort()[0]}' stands more than once ({len(twice)} rows share their ids); ids must be unique. "
            "Was one source read by two steps under one name? Give each its own `source`."
        )


def check_splits(members: pl.DataFrame) -> None:
    """Raises StageError when records of one cluster lie in different splits: their group would lie in both."""
    members = members.sort("id")
    astray = members.filter(pl.col("split").ne_missing(pl.col("split").first().over("cluster")))
    if astray.height:
        other = astray.row(0, named=True)
        one = members.filter(cluster=other["cluster"]).row(0, named=True)
        raise StageError(
            f"'{one['id']}' ({_split(one)}) and '{other['id']}' ({_split(other)}) are alike, or linked by records that "
            f"are, and lie in different splits; so do {astray['cluster'].n_unique():,} clusters in all. What is alike "
            "must share a split: put the dedupe step before the split step."
        )


def _split(row: dict[str, Any]) -> str:
    return f"split '{row['split']}'" if row["split"] is not None else "no split"


def decide(rows: pl.DataFrame, clusters: pl.DataFrame, keep: Keep, nearest: pl.DataFrame) -> pl.DataFrame:
    """The decision, sorted by id, with the columns of `DECISION`.

    `rows` has the columns of `standing` for the whole corpus, `clusters` the columns id and cluster for the members of
    clusters of two and more, `nearest` the columns id, nearest and similarity. The order of rows does not matter.

    Raises StageError when a cluster has records of two splits.
    """
    check_splits(rows.join(clusters, on="id"))
    order = SOURCE_ORDER if keep != "longest" else ["characters", *SOURCE_ORDER]
    members = rows.join(clusters, on="id").sort(order, descending=[name == "characters" for name in order])
    chosen = members.group_by("cluster").agg(survivor=pl.col("id").first(), head=pl.col("group").first())
    members = members.join(chosen, on="cluster")
    moved = united(members.select("group", "head").unique().iter_rows()).names()
    moves = pl.DataFrame(
        {"group": list(moved), "new": list(moved.values())}, schema={"group": pl.String, "new": pl.String}
    )
    goes = pl.col("survivor") != pl.col("id") if keep != "all" else pl.lit(False)
    leaving = members.filter(goes).select("id", "survivor").join(nearest, on="id", how="left")
    return (
        rows.select("id", "group")
        .join(leaving, on="id", how="left")
        .join(moves, on="group", how="left")
        .filter(pl.col("survivor").is_not_null() | pl.col("new").is_not_null())
        .with_columns(group=pl.coalesce("new", "group"))
        .select([pl.col(name).cast(dtype) for name, dtype in DECISION.items()])
        .sort("id")
    )


def carry_out(shard: pl.DataFrame, decision: pl.DataFrame, rule: str, threshold: str | None) -> Outcome:
    """The shard without the records that go; the others with their new group, and otherwise untouched."""
    verdicts = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
    verdict = verdicts.select(
        rule=pl.when(pl.col("survivor").is_not_null()).then(pl.lit(rule)),
        value=pl.col("similarity").round(4).cast(pl.String),
        threshold=pl.lit(threshold, dtype=pl.String),
        detail=pl.format("kept '{}'; most like '{}'", "survivor", pl.coalesce("nearest", "survivor")),
    )
    regrouped = shard.with_columns(group=pl.coalesce(verdicts["group"], shard["group"]))
    return sort_out(regrouped, verdict)


def clusters_of(pairs: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """Clusters (id, cluster) from pairs of ids that belong together; a cluster is named by its smallest id."""
    names = united(pairs).names()
    members = {**names, **{name: name for name in names.values()}}
    return pl.DataFrame([list(members), list(members.values())], schema={"id": pl.String, "cluster": pl.String})
