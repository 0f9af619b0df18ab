"""The turns of a conversation two by two: what a user says, and what is replied to it.

A conversation that was cut off, or given out turn by turn, shares its first turns with the whole one.
"""

from __future__ import annotations

import polars as pl

EXCHANGES = pl.List(pl.Struct({"asked": pl.String(), "replied": pl.String()}))


def exchanges(rows: pl.DataFrame) -> pl.Series:
    """As `EXCHANGES`: those of rows (columns of `rows.ROWS`) with two replies or more; none of others, whose prompt and
    answer say it all, and none of rows with exemplars, which are other rows' turns.

    What the system says does not count, and neither do replies that are not trained on.
    """
    message = pl.element().struct
    spoken = pl.col("messages").list.eval(pl.element().filter(message.field("role") != "system"))
    before, after = message.field("content").shift(1), message.field("content")
    is_reply = (
        (message.field("role") == "assistant")
        & (message.field("role").shift(1) == "user")
        & message.field("weight").fill_null(1).ne(0)
    )
    both = pl.struct(asked=before, replied=after).filter(is_reply)
    replies = pl.col("messages").list.eval(message.field("role") == "assistant").list.sum()
    several = (replies > 1) & (pl.col("exemplar_ids").list.len().fill_null(0) == 0)
    nothing = pl.lit([], dtype=EXCHANGES)
    return rows.select(
        pl.when(several).then(spoken.list.eval(both)).otherwise(nothing).cast(EXCHANGES).alias("exchanges")
    ).to_series()
