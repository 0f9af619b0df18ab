"""What a decision must know of records: where n-grams of an evaluation stand in them, and which group they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from instructkit.contamination.index import Hits, Index
from instructkit.contamination.literals import literal_texts
from instructkit.contamination.matches import MATCH, Floats, Ints, Void, matches
from instructkit.contamination.rarity import groups_with
from instructkit.contamination.rows import turns
from instructkit.stages.group.joining import hashed

SKETCH = pl.Schema(
    {
        "group": pl.UInt64(),
        "id": pl.String(),
        "template": pl.String(),
        "template_hash": pl.String(),
        "grams": pl.List(pl.UInt32()),
        "positions": pl.List(pl.UInt32()),
        "turns": pl.List(pl.UInt32()),
    }
)
"""A row for each record; all but `group` (its hash) is null where no n-gram of an evaluation stands in it. `grams`,
`positions` and `turns` are `Hits` without the record."""

RECORDS_AT_ONCE = 50_000


def sketched(index: Index, shard: pl.DataFrame) -> pl.DataFrame:
    """The sketch of a shard, as `SKETCH`: those in which something stands, then the others."""
    hits = index.hits(shard.select(turns(shard).alias("turns")).to_series())
    per_record = pl.DataFrame(
        {
            "record": hits.record,
            "grams": hits.gram.astype(np.uint32),
            "positions": hits.position.astype(np.uint32),
            "turns": hits.turn.astype(np.uint32),
        }
    )
    found = per_record.group_by("record", maintain_order=True).agg("grams", "positions", "turns")
    names = [name for name in ("template", "template_hash") if name in shard.columns]
    known = shard.select("id", *names).with_row_index("record").with_columns(pl.col("record").cast(pl.Int64))
    known = known.join(found, on="record", maintain_order="left").drop("record")
    groups = shard.select(group=hashed(pl.col("group")))
    with_hits = np.unique(hits.record)
    sketch = pl.concat(
        [
            pl.DataFrame(schema=SKETCH),
            known.with_columns(groups.to_series().gather(with_hits)),
            groups.with_row_index().filter(~pl.col("index").is_in(with_hits)).select("group"),
        ],
        how="diagonal",
    )
    return sketch.select(SKETCH.names())


def groups_in(sketches: pl.LazyFrame, grams: int) -> tuple[Ints, int]:
    """(how many groups have each of so many n-grams, how many there are)."""
    hits, groups = sketches.select(pl.col("grams").list.len().sum(), pl.col("group").n_unique()).collect().row(0)
    pairs = sketches.select("group", gram="grams").explode("gram").drop_nulls()
    return groups_with(pairs, hits, grams), groups


def matches_in(
    index: Index, weights: Floats, sketches: pl.LazyFrame, threshold: float, root: Path
) -> tuple[pl.DataFrame, pl.Series]:
    """What stands in which record, as `MATCH`, and the ids of these records by their numbers there.

    `root`: folder of the project, where templates are looked up.
    """
    ids, found, count = [pl.Series(dtype=pl.String)], [pl.DataFrame(schema=MATCH)], 0
    held = sketches.filter(pl.col("id").is_not_null())
    for some in held.collect_batches(chunk_size=RECORDS_AT_ONCE, maintain_order=False):
        record = np.repeat(np.arange(some.height), some["grams"].list.len().to_numpy().astype(np.int64))
        hits = Hits(record, *(_flat(some[name]) for name in ("positions", "turns", "grams")))
        here = matches(index, hits, weights, threshold, _void(some, index, root))
        holders = here["record"].unique().sort()
        ids.append(some["id"].gather(holders))
        numbers = pl.int_range(count, count + len(holders), eager=True)
        renumbered = pl.col("record").replace_strict(holders, numbers, return_dtype=pl.Int64)
        found.append(here.with_columns(record=renumbered))
        count += len(holders)
    return pl.concat(found), pl.concat(ids)


def _void(held: pl.DataFrame, index: Index, root: Path) -> Void | None:
    """N-grams of the templates' own text, for the records that they rendered."""
    templates = held.select("template", "template_hash").unique().drop_nulls().sort("template", "template_hash")
    if not templates.height:
        return None
    grams = [
        index.numbers(pl.Series(literal_texts(name, template_hash, root), dtype=pl.String))
        for name, template_hash in templates.iter_rows()
    ]
    numbers = templates.with_columns(number=pl.int_range(pl.len(), dtype=pl.Int64))
    own = held.join(numbers, on=["template", "template_hash"], how="left", maintain_order="left")["number"]
    return Void.of(own.fill_null(-1).to_numpy(), grams, len(index.grams))


def _flat(lists: pl.Series) -> Any:
    return lists.explode(empty_as_null=False, keep_nulls=False).cast(pl.Int64).to_numpy()
