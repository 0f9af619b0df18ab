"""What of one split stands in another by what the rows say of themselves: their ids, documents and groups."""

from __future__ import annotations

import polars as pl

from instructkit.audit.crossings import PLACES
from instructkit.audit.exact import across
from instructkit.audit.spool import RowSpool
from instructkit.hashing import JOINT

SAME_ID, SAME_DOCUMENT, SAME_GROUP = "same_id", "same_document", "same_group"
IDENTITIES = (SAME_ID, SAME_DOCUMENT, SAME_GROUP)
VALUES = {
    SAME_ID: pl.concat_list("id"),
    SAME_DOCUMENT: pl.col("document_ids"),
    SAME_GROUP: pl.col("group").str.split(JOINT),
}


def identities(spool: RowSpool) -> pl.DataFrame:
    """Rows of ours that share an id, a document or a group with an earlier split: columns of `PLACES`.

    Rows from elsewhere are left out: their ids are often numbers that begin anew in each file. Memory: 24 bytes a row
    and value.
    """
    number = {split: place for place, split in enumerate(spool.splits)}
    rows = spool.scan().filter(pl.col("ours"))
    found = [pl.DataFrame(schema=PLACES)]
    for kind, values in VALUES.items():
        keyed = (
            rows.select(
                pl.col("place").cast(pl.Int64),
                pl.col("split").replace_strict(number, return_dtype=pl.Int64),
                key=values,
            )
            .explode("key", empty_as_null=False, keep_nulls=False)
            .drop_nulls("key")
            .with_columns(pl.col("key").hash(seed=0))
            .collect()
        )
        pairs = across(keyed, ["key"], kind).unique(["right", "split"], keep="first", maintain_order=True)
        found.append(pairs.with_columns(similarity=pl.lit(None, dtype=pl.Float64)))
    return pl.concat(found)
