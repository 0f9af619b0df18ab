import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.filter.length import FilterLength


def test_a_drop_names_the_bound_the_length_and_its_limit(documents):
    kept, dropped = FilterLength(min_words=2, max_words=3).apply(documents("one", "one two", "one two three four", ""))
    assert kept["id"].to_list() == ["d1"]
    assert dropped.select("id", "rule", "value", "threshold").rows() == [
        ("d0", "min_words", "1", "2"),
        ("d2", "max_words", "4", "3"),
        ("d3", "min_words", "0", "2"),
    ]


def test_blank_lines_do_not_count(documents):
    kept, _ = FilterLength(max_lines=2).apply(documents("a\n\n \nb\n", "a\nb\nc"))
    assert kept["id"].to_list() == ["d0"]


def test_the_first_broken_bound_is_named(documents):
    _, dropped = FilterLength(min_characters=5, min_words=2).apply(documents("abc"))
    assert dropped["rule"].to_list() == ["min_characters"]


def test_examples_are_measured_by_prompt_or_response(examples):
    shard = examples(
        [("user", "one two three"), ("assistant", "one")], [("user", "one"), ("assistant", "one two three")]
    )
    assert FilterLength(of="response", min_words=2).apply(shard).kept["id"].to_list() == ["e1"]
    assert FilterLength(of="prompt", min_words=2).apply(shard).kept["id"].to_list() == ["e0"]
    assert FilterLength(min_words=4).apply(shard).kept.height == 2


def test_a_document_has_no_response(documents):
    with pytest.raises(StageError, match="has no response"):
        FilterLength(of="response", min_words=1).apply(documents("x"))


@pytest.mark.parametrize(("bounds", "said"), [({}, "sets no bound"), ({"min_words": 5, "max_words": 4}, "is above")])
def test_bounds_that_make_no_sense_are_faults(bounds, said):
    (fault,) = FilterLength(**bounds).faults()
    assert said in fault


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8), st.integers(1, 6), st.integers(1, 12))
def test_rows_are_kept_or_dropped_by_their_length(documents, texts, least, greatest):
    kept, dropped = FilterLength(min_characters=least, max_characters=greatest).apply(documents(*texts))
    assert kept["text"].to_list() == [text for text in texts if least <= len(text) <= greatest]
    assert kept.height + dropped.height == len(texts)
