"""Columns are told by their usual names."""

import pytest

from instructkit.stages.ingest.usual import plain_text, usual_columns, usual_text


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"question": "Q", "answer": "A"}, ("question", "answer", None)),
        ({"context": "C", "question": "Q", "answers": {"text": ["A"]}}, ("question", "answers", "context")),
        ({"Problem": "Q", "Solution": "A"}, ("Problem", "Solution", None)),
        ({"prompt": "", "question": "Q", "target": "A"}, ("question", "target", None)),
        ({"prompt": "Q", "chosen": [{"role": "assistant", "content": "A"}]}, ("prompt", "chosen", None)),
        ({"colour": "red"}, (None, None, None)),
    ],
)
def test_the_first_usual_name_that_holds_something_is_taken(row, found):
    assert usual_columns(row) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words", "words"),
        ("  ", None),
        (72, "72"),
        (True, None),
        (None, None),
        (["first", "second"], "first"),
        ([], None),
        ({"text": ["A", "B"], "start": [1, 2]}, "A"),
        ([{"text": "A"}, {"text": "B"}], "A"),
        ([{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], "A"),
    ],
)
def test_the_text_of_a_column_is_found_in_what_it_holds(value, text):
    assert plain_text(value) == text


def test_a_plain_text_is_found():
    assert usual_text({"text": "words"}) == "text"
    assert usual_text({"content": "words"}) == "content"
    assert usual_text({"text": 3}) is None
