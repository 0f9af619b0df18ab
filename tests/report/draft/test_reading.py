"""A draft says which rows could not be read, and why."""

import pytest

from instructkit.errors import UsageFault
from instructkit.report.data_file import open_data
from instructkit.report.draft.new import new_template
from instructkit.report.draft.reading import read_records

GOOD = b"question,answer\nWhat pulls the sea?,moon\nWhat eats sugar?,yeast\n"


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return open_data(name)

    return write


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"q,a\n\xe9t\xe9,b\n\xe9,c\n", r"none of its 2 rows can be read \(the first, a.csv:2: undecodable: "
         "byte 0xe9 is not utf-8"),
        ("a.csv", b"q,a\nb,c,d\n", r"the only row of it cannot be read \(the first, a.csv:2: ragged_row: 3 cells"),
        ("a.csv", b"q;a\nb;c,d\n", "header of one cell may mean that cells are separated by another character"),
        ("a.jsonl", b'{"a": NaN}\n{"a": NaN}\n', r"none of its 2 rows can be read \(the first, a.jsonl:1: "),
        ("a.jsonl", b'{"a": \n', r"cannot be read \(the first, a.jsonl:1: "),
        ("a.jsonl", b"", "no records in it"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_read_names_the_first_reason(data, name, content, said):
    with pytest.raises(UsageFault, match=said):
        new_template(data(name, content))


def test_rows_that_cannot_be_read_are_counted_in_the_draft(data):
    made = new_template(data("a.csv", GOOD + b"a,b,c\n\xe9,b\n"))
    said = (
        "2 of 4 rows cannot be read and are left out (the first, a.csv:4: ragged_row: 3 cells where the header has 2)."
    )
    assert said in made.notes
    assert "2 of 4 rows cannot be read" in made.text
    assert not any("cannot be read" in note for note in new_template(data("b.csv", GOOD)).notes)


@pytest.mark.parametrize(
    ("char", "said"),
    [(b";", "separated by ';'. Add `delimiter: ';'`"), (b"\t", 'separated by a tab. Add `delimiter: "\\t"`')],
)
def test_another_delimiter_is_told_with_the_way_out(data, char, said):
    content = GOOD.replace(b",", char)
    (note,) = read_records(data("a.csv", content), 10).notes
    assert said in note
    assert read_records(data("a.csv", GOOD), 10).notes == []
