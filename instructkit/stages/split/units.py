"""What is divided: whole groups, with all that hangs together with them, and what is known of each beforehand."""

from __future__ import annotations

import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import JOINT, record_hash
from instructkit.stages.group.joining import document_ties, united

CONFLICT = "bridges_splits"


def with_units(rows: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
    """The rows with `unit`, the smallest atom of all groups that theirs hangs together with, and with `old_group` and
    `old_split`, where they stood in an earlier build (null for a newcomer).

    `rows` have `id`, `group` and `documents`; `stood` is `previous.STOOD`.
    """
    rows = rows.join(
        stood.rename({"group": "old_group", "split": "old_split"}), on="id", how="left", maintain_order="left"
    )
    renamed = rows.select("group", "old_group").drop_nulls().unique().filter(pl.col("group") != pl.col("old_group"))
    names = pl.concat([rows["group"].unique(), rows["old_group"].drop_nulls().unique().alias("group")])
    # What stood in one group stays together, whatever it is called today.
    ties = renamed.with_row_index("tie").select("tie", group=pl.concat_list("group", "old_group")).explode("group")
    moves = united(names, document_ties(rows.lazy()), ties)
    return rows.join(moves, on="group", how="left", maintain_order="left").with_columns(
        unit=pl.coalesce("united", "group")
    )


def apart(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of units of which records stood in two splits, with what becomes of them: `id`, `split` and `group` of
    those that stood, `rule` and `detail` of newcomers.

    Raises StageError where two of those that stood cannot lie apart: they share a document.
    """
    bridged = rows.filter(pl.col("old_split").drop_nulls().n_unique().over("unit") > 1)
    old = bridged.filter(pl.col("old_split").is_not_null()).sort("id")
    _refuse_shared(old)
    unknown = old.filter(pl.col("old_group").is_null()).select("group", "old_split").unique()
    own = [record_hash(group, split) for group, split in unknown.rows()]
    named = unknown.with_columns(own=pl.Series(own, dtype=pl.String))
    old = old.join(named, on=["group", "old_split"], how="left").select(
        "id", "unit", split="old_split", group=pl.coalesce("old_group", "own")
    )
    sides = old.sort("id").group_by("unit", "split").agg(one=pl.col("id").first()).sort("unit", "split")
    said = sides.group_by("unit", maintain_order=True).agg(detail=_both_sides())
    # Of several newcomers only the steps above know which one joined the groups; alike, they must all go.
    others = pl.len().over("unit")
    unsure = pl.lit("; which of its ") + others.cast(pl.String) + " new records links them cannot be told here"
    new = (
        bridged.filter(pl.col("old_split").is_null())
        .join(said, on="unit")
        .select(
            "id",
            rule=pl.lit(CONFLICT),
            value=pl.col("unit"),
            detail=pl.lit("stands in a group that links ")
            + pl.col("detail")
            + ", which stood in different splits"
            + pl.when(others > 1).then(unsure).otherwise(pl.lit("")),
        )
    )
    return pl.concat([old.drop("unit"), new], how="diagonal")


def torn(rows: pl.DataFrame) -> pl.DataFrame:
    """The groups of today, by their groups and documents alone, of which records stood in two splits and stay there:
    `group`, how many `records`, and `sides`, one of each split. Newcomers count as gone.

    Such a group comes of a step above that joins more than it did, or of a newcomer that joined groups there, whether
    or not it got as far as here.
    """
    old = rows.filter(pl.col("old_split").is_not_null()).select("id", "group", "documents", split="old_split")
    moves = united(old["group"].unique(), document_ties(old.lazy()))
    old = old.join(moves, on="group", how="left").with_columns(group=pl.coalesce("united", "group"))
    sides = (
        old.group_by("group", "split")
        .agg(one=pl.col("id").min(), records=pl.len())
        .filter(pl.len().over("group") > 1)
        .sort("group", "split")
    )
    return sides.group_by("group", maintain_order=True).agg(pl.col("records").sum(), sides=_both_sides())


def _both_sides() -> pl.Expr:
    return pl.concat_str(pl.lit("'"), "one", pl.lit("' ("), "split", pl.lit(")")).str.join(" and ")


def _refuse_shared(old: pl.DataFrame) -> None:
    for column, what in (("documents", "document"), ("old_group", "group")):
        shared = pl.col(column) if column == "documents" else pl.col(column).str.split(JOINT)
        each = old.select("id", "old_split", shared=shared).explode("shared", empty_as_null=False).drop_nulls("shared")
        two = each.filter(pl.col("old_split").n_unique().over("shared") > 1).sort("shared", "old_split", "id")
        if two.height:
            of_one = two.filter(shared=two["shared"][0]).unique("old_split", keep="first", maintain_order=True)
            (one, other) = of_one.head(2).select("id", "old_split").rows()
            raise StageError(
                f"previous: '{one[0]}' ({one[1]}) and '{other[0]}' ({other[1]}) are of one {what} and stood in "
                "different splits, so the earlier build leaks. Leave `previous` out and divide anew"
            )
