"""What is found out about columns."""

import pytest

from instructkit.report.draft.columns import columns_of, script_of


def by_expression(records):
    return {column.expression: column for column in columns_of(records)}


def test_types_gaps_and_values_are_found():
    found = by_expression([{"a": "x", "n": 1}, {"a": " ", "n": 2.5}, {"a": None, "n": True}, {"a": "x", "n": 3}])
    assert (found["a"].kind, found["a"].missing, found["a"].values) == ("string", 0.5, {"x": 2})
    assert found["n"].kind is None
    assert by_expression([{"n": 1}, {"n": 2.5}])["n"].kind == "number"


def test_places_inside_of_columns_are_read_by_expressions():
    found = by_expression([{"answers": [{"text": "a"}], "row": {"Full Name": "b", "items": "c"}, "tags": ["d"]}])
    assert {name for name, column in found.items() if column.nested} == {
        "answers[0]", "answers[0].text", 'row["Full Name"]', 'row["items"]', "tags[0]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("The sea", "Latin"), ("Über Bäume", "Latin"), ("月亮 OK", "Chinese"), ("月は海を", "Japanese"),
        ("바다", "Korean"), ("море", "other"), ("123", "Latin"),
    ],
)  # fmt: skip
def test_the_script_is_that_of_most_letters(text, script):
    assert script_of([text]) == script
