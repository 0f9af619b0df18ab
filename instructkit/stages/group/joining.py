"""Which groups are really one: union-find over what records share.

record           group   shares
A                a       what makes A and B alike, or a key
B                b
example (B, C)   b+c     its atoms: b and c
C on a branch    k       the document C of that example
                         ─▶ a, b, c, b+c and k are the group a, the smallest of its atoms
"""

from __future__ import annotations

import numpy as np
import polars as pl
import xxhash

from instructkit.hashing import JOINT
from instructkit.minhash.clusters import smallest

TIES = pl.Schema({"tie": pl.UInt64(), "group": pl.String()})
"""What records share, and the group of a record that has it: groups with the same tie are one."""
UNITED = pl.Schema({"group": pl.String(), "united": pl.String()})
"""A group, and what it is from now on."""


def hashed(values: pl.Expr) -> pl.Expr:
    """64-bit hashes of texts, null for null; the same on every machine, which those of polars need not be.

    Two of a million texts collide with probability 3e-8, and then only share a group.
    """
    return values.map_batches(_hashed, return_dtype=pl.UInt64)


def _hashed(texts: pl.Series) -> pl.Series:
    digest = xxhash.xxh3_64_intdigest
    hashes = [None if text is None else digest(text.encode("utf-8", "surrogatepass")) for text in texts.to_list()]
    return pl.Series(texts.name, hashes, dtype=pl.UInt64)


def documents(shard: pl.DataFrame | pl.LazyFrame) -> pl.Expr:
    """Hashes of the documents that a record is about, as a column `documents` (list of UInt64); none for a document,
    which is about itself alone.
    """
    if "document_ids" not in shard.collect_schema().names():
        return pl.lit([], dtype=pl.List(pl.UInt64)).alias("documents")
    return pl.col("document_ids").map_batches(_hashed_lists, return_dtype=pl.List(pl.UInt64)).alias("documents")


def _hashed_lists(lists: pl.Series) -> pl.Series:
    # An expression inside `list.eval` would be called a row at a time: 27 s for a million, against 0.5.
    place = pl.DataFrame({"place": pl.int_range(len(lists), eager=True, dtype=pl.UInt32), "documents": lists})
    each = place.explode("documents", empty_as_null=False).with_columns(hashed(pl.col("documents")))
    found = each.drop_nulls().group_by("place", maintain_order=True).agg("documents")
    if found.height < len(lists):
        found = place.select("place").join(found, on="place", how="left", maintain_order="left")
    return found["documents"].fill_null([])


def document_ties(records: pl.LazyFrame) -> pl.DataFrame:
    """The groups that share a document, as `TIES`; of records with `group` and `documents`. Few, as a rule none: most
    that was made of one document has one group already.
    """
    ties = records.select(tie="documents", group="group").explode("tie", empty_as_null=False)
    ties = ties.unique().filter(pl.len().over("tie") > 1)
    return ties.collect().cast(TIES)


def united(groups: pl.Series, *ties: pl.DataFrame) -> pl.DataFrame:
    """The groups that get another name, as `UNITED`, sorted: the smallest atom of all that they hang together with.

    `groups`: all that there are, in any order; `ties`: frames with the columns of `TIES`, of any type of tie.
    Memory: some 200 bytes a group that is tied to another or joint, nothing for all others.
    """
    pairs = [_atom_pairs(groups), *(_tied(each) for each in ties)]
    links = pl.concat(pairs)
    if links.is_empty():
        return pl.DataFrame(schema=UNITED)
    # The first atom of a joint group is smaller than the whole, so that the smallest name is always an atom.
    names = pl.concat([links["one"], links["other"]]).unique().sort().alias("group")
    numbers = pl.DataFrame({"group": names}).with_row_index("number").with_columns(pl.col("number").cast(pl.Int64))
    ends = [
        links.select(group=side).join(numbers, on="group", how="left", maintain_order="left")["number"].to_numpy()
        for side in links.columns
    ]
    roots = smallest(len(names), *ends)
    moved = np.flatnonzero(roots != np.arange(len(names)))
    found = pl.DataFrame({"group": names.gather(moved), "united": names.gather(roots[moved])}, schema=UNITED)
    # Atoms of joint groups that no record has are named on the way only.
    return found.join(groups.unique().alias("group").to_frame(), on="group", how="semi", maintain_order="left")


def _tied(ties: pl.DataFrame) -> pl.DataFrame:
    """Pairs of groups: each with the first that has its tie."""
    first = pl.col("group").min().over("tie")
    pairs = ties.select(one=first, other="group").filter(pl.col("one") != pl.col("other"))
    return pairs.unique()


def _atom_pairs(groups: pl.Series) -> pl.DataFrame:
    """Pairs of a joint group and each of its atoms."""
    joint = groups.filter(groups.str.contains(JOINT, literal=True)).unique()
    return pl.DataFrame({"one": joint.str.split(JOINT), "other": joint}).explode("one").select("one", "other")
