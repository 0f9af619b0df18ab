"""What the runner sees to where rows of several steps meet, and where they are divided: each record stands once, and
nothing that belongs together lies in two splits.

Two branches of a recipe may divide the same documents, each for itself. No stage sees that, since each reads the rows
of one branch; so it is checked where the branches come together.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from instructkit.errors import InputError, StageError
from instructkit.hashing import JOINT


def refuse_repeated_ids(step: str, rows: pl.LazyFrame, ingest: bool) -> None:
    """Raises InputError (of an ingest) or StageError when an id stands twice, with both places."""
    twice = (
        rows.select("id", pl.col("origin"))
        .filter(pl.len().over("id") > 1)
        .sort("id", pl.col("origin").struct.field("file"), pl.col("origin").struct.field("line"))
        .head(2)
        .collect()
    )
    if twice.height:
        places = " and ".join(
            f"{o['file']}:{o['line']}" if o["line"] is not None else o["file"] for o in twice["origin"].to_list()
        )
        fault, way_out = (
            (InputError, "let `key` name what tells records apart, leave it out, or take the repeats out")
            if ingest
            else (StageError, "read each step once, and give each ingest a `source` of its own")
        )
        raise fault(f"step '{step}': id '{twice['id'][0]}' stands twice, from {places}; {way_out}")


def refuse_divided(step: str, branches: Sequence[pl.LazyFrame]) -> None:
    """Raises StageError when branches have one group, or one document, in different splits; with a record of each.

    What a single branch divides within itself is its own affair: data sets come with splits that leak, and what tells
    so is `verify`. A row without a split counts as one of `train`, as which it may be trained on.
    """
    if all(branch.select(pl.col("split").null_count() == pl.len()).collect().item() for branch in branches):
        return
    sides = pl.concat([_sides(branch).with_columns(branch=number) for number, branch in enumerate(branches)]).collect()
    apart = (
        sides.filter(pl.col("split").n_unique().over("name") > 1)
        .filter((pl.col("split").n_unique().over("name", "branch") == 1).all().over("name"))
        .select("name")
        .unique()
    )
    if apart.is_empty():
        return
    rows = pl.concat([_names(branch, keep="id") for branch in branches]).with_columns(hash=pl.col("name").hash())
    found = rows.join(apart.lazy().rename({"name": "hash"}), on="hash", how="semi")
    found = found.filter(pl.col("split").n_unique().over("name") > 1).sort("name", "split", "id")
    two = found.unique(["name", "split"], keep="first", maintain_order=True).head(2).collect()
    if two.height:
        (one, split), (other, other_split) = two.select("id", "split").rows()
        what = two["name"][0].replace(" ", " '", 1) + "'"
        raise StageError(
            f"step '{step}': {what} lies in different splits on the branches that meet here: '{one}' in {split}, "
            f"'{other}' in {other_split}; what is tested would be trained on. Divide once, before the recipe branches "
            "or after the branches meet"
        )


def _sides(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Hashes of what rows belong to, and the splits it lies in."""
    return _names(rows).select(pl.col("name").hash(), "split").unique()


def _names(rows: pl.LazyFrame, keep: str | None = None) -> pl.LazyFrame:
    """What rows belong to, `group NAME` and `document ID`, and their split."""
    there = rows.collect_schema().names()
    made_of = pl.col("document_ids") if "document_ids" in there else pl.concat_list("id")
    split = pl.col("split").fill_null("train")
    kept = [] if keep is None else [pl.col(keep)]
    parts = {"group": pl.col("group").str.split(JOINT), "document": made_of}
    return pl.concat(
        [
            rows.select(*kept, split, name=names)
            .explode("name", empty_as_null=False)
            .with_columns(name=pl.lit(f"{what} ") + pl.col("name"))
            for what, names in parts.items()
        ]
    )
