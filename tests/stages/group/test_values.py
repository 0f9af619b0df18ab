import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.group.values import in_one, known_paths, path_faults, value

texts = st.lists(st.tuples(st.text("ab 12", max_size=3), st.text("ab 12", max_size=3)), max_size=8)


@given(texts)
def test_several_texts_in_one_are_equal_where_all_are_equal(rows):
    frame = pl.DataFrame(rows, schema={"one": pl.String, "other": pl.String}, orient="row")
    found = frame.select(in_one([pl.col("one"), pl.col("other")])).to_series().to_list()
    for (i, a), (j, b) in itertools.combinations(enumerate(rows), 2):
        assert (found[i] == found[j]) == (a == b)


def test_texts_are_joined_where_a_filter_left_an_empty_chunk():
    """`pl.format` of polars 2.1 panics there."""
    two = pl.DataFrame({"a": ["x", "y"], "b": ["z", None]})
    rows = pl.concat([two, two], rechunk=False).filter(pl.Series([False, False, True, True]))
    assert rows["a"].chunk_lengths() == [0, 2]
    assert rows.lazy().select(in_one([pl.col("a"), pl.col("b")])).collect().to_series().to_list() == ["1 x 1 z ", None]


def test_values_are_found_by_path_whatever_their_type(documents):
    shard = documents({"text": "x", "fields": {"a": {"b": [1]}, "n": 3, "null": None}, "language": "de"})
    for path, expected in {
        "fields.a.b": "[1]",
        "fields.n": "3",
        "fields.null": None,
        "fields.none": None,
        "origin.file": "f",
        "language": "de",
        "source": "s",
    }.items():
        assert shard.select(value(shard, path, "keys")).item() == expected
    assert path_faults("keys", ["fields.a.b", "origin.file", "meta.x"]) == []
    assert known_paths(shard.lazy()) == [
        "source", "origin.file", "language", "fields.a", "fields.a.b", "fields.n", "fields.null",
    ]  # fmt: skip


def test_a_column_that_these_records_cannot_have_names_the_other_side_of_render(documents, examples):
    with pytest.raises(StageError, match=r"keys: documents have no 'meta', .* put the step after `render`"):
        value(documents("x"), "meta.a", "keys")
    with pytest.raises(StageError, match=r"keys: examples have no 'fields', .* put the step before `render`"):
        value(examples([("user", "q")]), "fields.a", "keys")
