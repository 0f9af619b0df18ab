import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.hashing import canonical_json
from instructkit.text.jsonfields import extract, with_value

keys = st.text(min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (4, "number", 4.0),
        ("4.5", "number", 4.5),
        ("nan", "number", None),
        ("four", "number", None),
        (True, "number", 1.0),
        (4, "text", "4"),
        ("é\n", "text", "é\n"),
        ([1, 2], "text", "[1,2]"),
        (True, "boolean", True),
        ("yes", "boolean", None),
        (None, "text", None),
    ],
)
def test_values_are_read_by_type(value, kind, expected):
    shard = pl.DataFrame({"fields": [canonical_json({"x": {"y": value}}), "{}"]})
    assert shard.select(extract("fields", ["x", "y"], kind)).to_series().to_list() == [expected, None]


@given(keys, st.text(max_size=8))
def test_any_key_can_be_addressed(key, value):
    shard = pl.DataFrame({"fields": [canonical_json({key: value, "other": "z"})]})
    assert shard.select(extract("fields", [key], "text")).item() == value


def test_a_value_is_set_and_the_text_stays_canonical():
    objects = pl.Series("meta", ['{"b":1}', '{"a":2}', "{}"])
    assert with_value(objects, "a", [0.5, None, "x"]).to_list() == ['{"a":0.5,"b":1}', '{"a":2}', '{"a":"x"}']
