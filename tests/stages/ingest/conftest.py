"""Helpers of the ingest tests, given as fixtures: read a source whole, and cut it into parts of any size."""

import gzip
import json
from contextlib import contextmanager

import polars as pl
import pytest
import zstandard

from instructkit.schema import Document, Drop, Example, check
from instructkit.stages.contract import IngestStage
from instructkit.stages.ingest import limits
from instructkit.stages.table import stage_class


def read_source(name, root, **fields):
    """(kept, dropped) of a whole source, each outcome checked against its noun."""
    stage = stage_class(name)(source="src", **fields)
    assert isinstance(stage, IngestStage)
    assert not getattr(stage, "faults", list)()
    parts = stage.parts(root)
    assert all(str(root) not in part.name for part in parts)
    kept, dropped = [], []
    for part in parts:
        outcomes = list(stage.read(part))
        assert outcomes, "a part gives at least one outcome"
        for outcome in outcomes:
            kept.append(check({Document: Document, Example: Example}[stage.yields], outcome.kept, name))
            dropped.append(check(Drop, outcome.dropped, name))
            assert outcome.kept.height + outcome.dropped.height <= limits.SHARD_ROWS
    rows = pl.concat(kept)
    assert rows["id"].is_unique().all()
    return rows, pl.concat(dropped)


@contextmanager
def cut_small(part_bytes=limits.PART_BYTES, shard_rows=limits.SHARD_ROWS, read_bytes=limits.READ_BYTES):
    """Other sizes of parts, shards and reads, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "PART_BYTES", part_bytes)
        patch.setattr(limits, "SHARD_ROWS", shard_rows)
        patch.setattr(limits, "READ_BYTES", read_bytes)
        yield


def pack(path, data):
    """Writes bytes, compressed as the suffix says."""
    packed = {".gz": lambda b: gzip.compress(b, mtime=0), ".zst": zstandard.compress}.get(path.suffix, bytes)(data)
    path.write_bytes(packed)
    return path


@pytest.fixture
def read(tmp_path):
    """`read("ingest.jsonl", path=...)` → (kept, dropped), relative to the test's folder."""

    def run(name, **fields):
        return read_source(name, tmp_path, **fields)

    return run


@pytest.fixture
def write(tmp_path):
    """`write("a.jsonl", data)` writes bytes, text, or rows as JSON lines, compressed as the suffix says."""

    def run(name, data):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, list):
            data = "".join(json.dumps(row) + "\n" for row in data)
        return pack(path, data if isinstance(data, bytes) else data.encode())

    return run


@pytest.fixture(scope="session")
def tools():
    """The helpers that property tests call many times: read_source, cut_small, pack."""
    return {"read": read_source, "cut": cut_small, "pack": pack}
