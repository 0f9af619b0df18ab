import json

import pytest


@pytest.fixture
def exported():
    """Rows that an export writes, and its drops as (id, rule)."""

    def run(stage, shard):
        kept, dropped = stage.apply(shard)
        assert kept.height + dropped.height == shard.height
        assert kept.columns == ["id", "split", "line"]
        assert not any("\n" in line for line in kept["line"])
        return [json.loads(line) for line in kept["line"]], dropped.select("id", "rule").rows()

    return run


@pytest.fixture
def call():
    """JSON text of a tool call, as messages hold it."""
    arguments = {"city": "Rome"}
    return json.dumps([{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}])
