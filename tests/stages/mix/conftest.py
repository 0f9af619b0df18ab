"""Rows for a mix, and what the build and the plan make of them."""

import polars as pl
import pytest

from instructkit.schema import Example, Origin, frame


@pytest.fixture(scope="session")
def rows_of():
    """Examples from dictionaries of columns; ids are r0, r1, ... unless said."""

    def make(rows):
        known = {"content_hash": "c", "group": "g", "messages": [], "source": "s", "origin": Origin(file="f", line=1)}
        return frame(Example, [Example(**{**known, "id": f"r{n}", **row}) for n, row in enumerate(rows)])

    return make


@pytest.fixture(scope="session")
def mix():
    """What the runner does with a stage, in shards of so many rows: rows in their order, and drops."""

    def run(stage, rows, size=1000):
        shards = list(rows.iter_slices(size)) or [rows]
        sketches = pl.concat([stage.sketch(shard) for shard in shards])
        decision = stage.decide(sketches.lazy(), rows.lazy())
        outcomes = [stage.apply(shard, decision.join(shard, on="id", how="semi").sort("id")) for shard in shards]
        for shard, outcome in zip(shards, outcomes, strict=True):
            assert outcome.kept.height + outcome.dropped.height == shard.height
            assert outcome.kept.schema == shard.schema
        return pl.concat([o.kept for o in outcomes]), pl.concat([o.dropped for o in outcomes])

    return run


@pytest.fixture(scope="session")
def times():
    """Value of a column → how often its rows come up."""

    def count(rows, column="source"):
        return dict(rows.group_by(column).agg(pl.col("repeats").sum().cast(pl.Int64)).sort(column).iter_rows())

    return count
