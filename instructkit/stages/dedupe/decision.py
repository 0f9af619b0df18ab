"""From clusters of duplicates to a decision: who stays, who goes, and which groups become one.

cluster   kin   id   group          survivor   group after
x         k     a    g1             a          g1
x         k     b    g2             a (b goes) g1
y         k     c    g3             c          g1      like a or b, but not enough to go
                d    g2             d          g1      stems from the same document as b, so it moves with it
                e    g2+g4          e          g1      is made of that document and another, which comes along
"""

from __future__ import annotations

from typing import Any, Literal

import polars as pl

from instructkit.errors import StageError
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import sort_out
from instructkit.stages.group.joining import document_ties, documents, hashed, united
from instructkit.text.jsonfields import extract

Keep = Literal["first", "longest", "best"]
"""Who survives of a cluster. `first` in the order of the sources: by source name, path, line, then id. `longest` by
characters, `best` by a score, both then as `first`."""

DECISION = pl.Schema(
    {
        "id": pl.String(),
        "group": pl.String(),
        "cluster": pl.String(),
        "survivor": pl.String(),
        "nearest": pl.String(),
        "similarity": pl.Float64(),
    }
)
"""One row for each record of a cluster, and for each that changes its group. `group`: its group from now on. `cluster`:
the id of the one of its cluster who comes first, null for a record of none. `survivor`: who stays in its place, null
for a record that stays. `nearest`: the record it is most like, and how much."""

MEMBER = pl.Schema(
    {"id": pl.String(), "cluster": pl.Int64(), "kin": pl.Int64(), "nearest": pl.String(), "similarity": pl.Float64()}
)
"""A record that is like another. `cluster`, `kin`: numbers that duplicates, and those that share a group, have in
common; `cluster` is null for a record that is only kin."""

STANDING = ["id", "group", "split", "source", "file", "line", "characters", "score"]
"""Columns of a sketch that are only read of the records that matter."""
SOURCE_ORDER = ["source", "file", "line", "id"]


def identity_columns() -> list[pl.Expr]:
    """`id`, and a hash of it as `key`: the part of a sketch that numbers and names the rows."""
    return [pl.col("id"), hashed(pl.col("id")).alias("key")]


def record_columns(shard: pl.DataFrame, text: pl.Expr, score: str | None) -> list[pl.Expr]:
    """What a sketch must know of each record to choose a survivor and to join groups.

    `score` is a dotted path such as `fields.quality`; a value that is no number is null.
    """
    column, *path = (score or "").split(".")
    return [
        *identity_columns(),
        pl.col("group"),
        documents(shard),
        pl.col("split"),
        pl.col("source"),
        pl.col("origin").struct.field("file"),
        pl.col("origin").struct.field("line"),
        text.str.len_chars().cast(pl.Int64).alias("characters"),
        (extract(column, path, "number") if score else pl.lit(None, dtype=pl.Float64)).alias("score"),
    ]


def choice_faults(keep: Keep, score: str | None) -> list[str]:
    """A score without a use, or a use without a score."""
    if keep == "best" and score is None:
        return ["keep: best needs `score`, the field that says who is best, such as fields.quality"]
    if keep != "best" and score is not None:
        return [f"score is only looked at with `keep: best`, not with `keep: {keep}`"]
    if score is not None and (score.partition(".")[0] not in ("fields", "meta") or not score.partition(".")[2]):
        return [f"score: '{score}' names no value; expected a path into fields (documents) or meta (examples)"]
    return []


def check_ids(sketches: pl.LazyFrame) -> None:
    """Raises StageError when an id stands twice: a decision by id would hit both records."""
    keys = sketches.select("key").collect().to_series()
    if keys.n_unique() == len(keys):
        return
    keys = keys.filter(keys.is_duplicated()).unique()
    ids = sketches.filter(pl.col("key").is_in(keys.implode())).select("id").collect().to_series()
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise StageError(
            f"id '{twice.sort()[0]}' stands more than once ({len(twice)} rows share their ids); ids must be unique. "
            "Was one source read by two steps under one name? Give each its own `source`. Do two of the steps that "
            "this one reads hold the same records? Read one of them."
        )


def _check_splits(members: pl.DataFrame, looser: tuple[float, float] | None) -> None:
    members = members.sort("id")
    split = pl.col("split")
    astray = members.filter(split.ne_missing(split.first().over("kin")))
    if not astray.height:
        return
    other = astray.row(0, named=True)
    one = members.filter(kin=other["kin"]).row(0, named=True)
    count = astray["kin"].n_unique()
    apart = members.drop_nulls("cluster").filter(split.ne_missing(split.first().over("cluster")))
    only_kin = count - apart["kin"].n_unique()
    way_out = "What is alike must share a split: put this step before the split step."
    if looser is not None and only_kin:
        group_threshold, threshold = looser
        those = "All of them" if only_kin == count else f"{only_kin:,} of them"
        way_out += (
            f" {those} hang together by group_threshold ({group_threshold:g}) only, and may lie apart with "
            f"`group_threshold: {threshold:g}`."
        )
    raise StageError(
        f"'{one['id']}' ({_split(one)}) and '{other['id']}' ({_split(other)}) are alike, or linked by records that "
        f"are, and lie in different splits; clusters of which that is true: {count:,}. {way_out}"
    )


def _split(row: dict[str, Any]) -> str:
    return f"split '{row['split']}'" if row["split"] is not None else "no split"


def decide(
    members: pl.DataFrame,
    sketches: pl.LazyFrame,
    keep: Keep | None,
    prefer: tuple[str, ...] = (),
    looser: tuple[float, float] | None = None,
) -> pl.DataFrame:
    """The decision, sorted by id, with the columns of `DECISION`.

    `members` has the columns of `MEMBER`, `sketches` those of `record_columns` for the whole corpus; the order of rows
    does not matter. `keep` None: nobody goes. `prefer`: sources whose records stay rather than others, the first named
    before the second. `looser`: the least similarities of kin and of duplicates, where those differ.

    Raises StageError when records that are kin lie in two splits.
    """
    rows = sketches.select(STANDING).join(members.lazy(), on="id").collect()
    _check_splits(rows, looser)
    ranks = {source: rank for rank, source in enumerate(prefer)}
    preferred = pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    by = {"longest": [-pl.col("characters")], "best": [-pl.col("score").fill_null(float("-inf"))]}
    best = by.get(keep, []) if keep else []
    rows = rows.sort(preferred, *best, *SOURCE_ORDER)
    stays = rows.drop_nulls("cluster").group_by("cluster").agg(stays=pl.col("id").first())
    rows = rows.join(stays, on="cluster", how="left")
    goes = (pl.col("stays") != pl.col("id")) & (keep is not None)
    rows = rows.select(
        "id", "nearest", "similarity", "kin", "group", cluster="stays", survivor=pl.when(goes).then("stays")
    )
    groups = sketches.select("group").unique().collect()["group"]
    moves = united(groups, rows.select("group", tie="kin"), document_ties(sketches))
    # All that stems from a document of a cluster moves with it, wherever it stands.
    moving = sketches.select("id", "group").join(moves.lazy(), on="group").select("id", "united").collect()
    return (
        rows.join(moving, on="id", how="full", coalesce=True)
        .with_columns(group=pl.coalesce("united", "group"))
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
        # A stage that measures no likeness has none to speak of.
        detail=pl.coalesce(
            pl.format("kept '{}'; most like '{}'", "survivor", "nearest"), pl.format("kept '{}'", "survivor")
        ),
    )
    regrouped = shard.with_columns(group=pl.coalesce(verdicts["group"], shard["group"]))
    return sort_out(regrouped, verdict)
