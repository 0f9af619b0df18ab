"""What is written is read again as the same value, by the reader of front matter."""

from hypothesis import given
from hypothesis import strategies as st

from instructkit.report.yaml_text import entry, flow
from instructkit.templates.positions import read_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
AWKWARD = st.text(st.sampled_from("ab#:- \n\t'\"{}|,?&*!%@，中\x85\u2028\u00a0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


def read(lines):
    value, *_, faults = read_yaml("\n".join(lines), "f", first_line=1, as_text=lambda path: False)
    assert not faults
    return value


@given(JSON)
def test_any_value_is_read_again_as_it_was(value):
    assert read(entry("key", value)) == {"key": value}


@given(AWKWARD, AWKWARD)
def test_awkward_texts_are_read_again_as_they_were(key, text):
    assert read(entry(key, text, 2)) == {key: text}


def test_plain_words_stay_plain_and_what_looks_like_another_type_is_quoted():
    assert flow({"stage": "ingest.jsonl", "yes": ["no", "1", 1]}) == '{stage: ingest.jsonl, "yes": ["no", "1", 1]}'


def test_texts_of_several_lines_become_blocks():
    assert entry("content", "One.\n\nTwo.", 2) == ["  content: |-", "    One.", "", "    Two."]
