"""Makers of small shards, for the tests of all stages."""

import json

import polars as pl
import pytest

from instructkit.schema import Document, Example, Message, Origin, frame


@pytest.fixture
def documents():
    """Texts, or keyword records, as a shard of documents; ids are d0, d1, ... unless said."""

    def make(*rows):
        records = []
        for number, row in enumerate(rows):
            row = {"text": row} if isinstance(row, str) else dict(row)
            fields = json.dumps(row.pop("fields", {}), separators=(",", ":"), sort_keys=True)
            known = {
                "id": f"d{number}",
                "group": f"g{number}",
                "source": "s",
                "origin": Origin(file="f", line=number + 1),
            }
            records.append(Document(**{**known, "fields": fields, **row}))
        return frame(Document, records)

    return make


@pytest.fixture
def examples():
    """Conversations as a shard of examples; a turn is a `Message`, or a pair of role and content."""

    def make(*rows):
        records = []
        for number, row in enumerate(rows):
            row = {"messages": row} if isinstance(row, list) else dict(row)
            turns = [m if isinstance(m, Message) else Message(role=m[0], content=m[1]) for m in row.pop("messages")]
            known = {"id": f"e{number}", "group": f"g{number}", "source": "s", "content_hash": f"c{number}"}
            place = {"origin": Origin(file="f", line=number + 1)}
            records.append(Example(**{**known, **place, "messages": turns, **row}))
        return frame(Example, records)

    return make


@pytest.fixture
def run_corpus_stage():
    """What the runner does with a corpus stage, in the shards given: kept and dropped rows of all shards together."""

    def run(stage, shards):
        sketches = pl.concat([stage.sketch(shard) for shard in shards]).lazy()
        decision = stage.decide(sketches, pl.concat(shards).lazy())
        outcomes = [stage.apply(shard, decision.join(shard, on="id", how="semi")) for shard in shards]
        for shard, outcome in zip(shards, outcomes, strict=True):
            assert outcome.kept.height + outcome.dropped.height == shard.height
            assert outcome.kept.schema == shard.schema
        return pl.concat([o.kept for o in outcomes]), pl.concat([o.dropped for o in outcomes])

    return run
