import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError
from instructkit.stages.ingest.csv import IngestCsv


def test_rows_are_documents_and_cells_are_text(read, write):
    write("a.csv", 'id,text,n\r\n7,"one, ""two""\r\nthree",1.10\r\n\r\n8,four,\r\n')
    kept, dropped = read("ingest.csv", path="a.csv", key="id")
    assert kept["id"].to_list() == ["src-7", "src-8"]
    assert kept["text"].to_list() == ['one, "two"\nthree', "four"]
    assert [json.loads(f) for f in kept["fields"]] == [{"id": "7", "n": "1.10"}, {"id": "8", "n": ""}]
    assert kept["origin"].struct["line"].to_list() == [2, 5]
    assert dropped.is_empty()


def test_the_suffix_tells_the_delimiter_and_the_recipe_overrules_it(read, write):
    write("d/a.tsv.gz", "text\tn\na, b\t1\n")
    write("b.csv", "text;n\na, b;1\n")
    assert read("ingest.csv", path="d")[0]["text"].to_list() == ["a, b"]
    assert read("ingest.csv", path="b.csv", delimiter=";")[0]["text"].to_list() == ["a, b"]
    with pytest.raises(InputError, match=r"columns found: text;n.*set `delimiter`"):
        read("ingest.csv", path="b.csv", max_bad_lines=0, fields=[], header=["text;n"], delimiter="|")


def test_a_file_without_header_gets_names(read, write):
    write("a.csv", "a,1\nb,2\n")
    kept, _ = read("ingest.csv", path="a.csv", header=False, text="column_1")
    assert kept["text"].to_list() == ["a", "b"]
    assert kept["fields"].to_list() == ['{"column_2":"1"}', '{"column_2":"2"}']
    kept, _ = read("ingest.csv", path="a.csv", header=["text", "n"])
    assert kept["fields"].to_list() == ['{"n":"1"}', '{"n":"2"}']


@pytest.mark.parametrize(
    ("row", "rule", "value"),
    [
        (b"short", "ragged_row", "1"),
        (b"x,y,z", "ragged_row", "3"),
        (b'"a"b,1', "bad_quoting", None),
        (b"caf\xe9,1", "undecodable", "caf\\udce9"),
        (b"a\x00,1", "nul_character", None),
        (b",1", "empty_text", None),
    ],
)
def test_a_bad_row_is_dropped_with_its_line(read, write, row, rule, value):
    write("a.csv", b'text,n\n"good\none",1\n' + row + b"\ngood,3\n")
    kept, dropped = read("ingest.csv", path="a.csv", max_line_bytes=100)
    assert kept["origin"].struct["line"].to_list() == [2, 5]
    drop = dropped.row(0, named=True)
    assert (drop["rule"], drop["value"], drop["origin"]) == (rule, value, {"file": "a.csv", "line": 4})
    assert dropped.height == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'text\na\n"b\nc\nd\n', r"a\.csv:3: a quote opened in this row is not closed .*quote: null"),
        (b"text,text\na,b\n", r"a\.csv:1: the column 'text' stands twice in the header"),
        (b"text\na\n" + b"b" * 101, r"a\.csv:3: a line of 101 bytes, longer than max_line_bytes, 100"),
        (b"txt\na\n", r"did you mean 'txt'"),
        ("text\na\n".encode("utf-16"), "set encoding: utf-16"),
    ],
)
def test_a_table_that_cannot_be_read_stops_with_a_way_out(read, write, body, message):
    write("a.csv", body)
    with pytest.raises(InputError, match=message):
        read("ingest.csv", path="a.csv", max_line_bytes=100)


def test_cells_longer_than_the_csv_module_allows_by_default_are_read(read, write):
    write("a.csv", "text\n" + "a" * 300_000 + "\n")
    assert read("ingest.csv", path="a.csv")[0]["text"].str.len_chars().to_list() == [300_000]


def test_quotes_mean_nothing_when_switched_off(read, write):
    write("a.csv", 'text,n\n"a,1\n')
    assert read("ingest.csv", path="a.csv", quote=None)[0]["text"].to_list() == ['"a']


def test_other_encodings_and_a_byte_order_mark_are_read(read, write):
    write("a.csv", "text\ncafé\n".encode("utf-16"))
    assert read("ingest.csv", path="a.csv", encoding="utf-16")[0]["text"].to_list() == ["café"]
    write("b.csv", "text\ncafé\n".encode("utf-8-sig"))
    assert read("ingest.csv", path="b.csv")[0]["text"].to_list() == ["café"]


def test_faults_of_the_recipe_are_told():
    stage = IngestCsv(path="a", delimiter="::", quote="::", header=["a", "a"], encoding="utf-9")
    assert len(stage.faults()) == 5


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(cells, cells), max_size=12), size=st.integers(1, 9), block=st.integers(1, 30))
def test_any_table_comes_back_as_it_was_written(rows, size, block, tools):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("text", "n"), *[("x" + a, b) for a, b in rows]])
    with tempfile.TemporaryDirectory() as folder, tools["cut"](shard_rows=size, read_bytes=block):
        (Path(folder) / "a.csv").write_text(out.getvalue(), encoding="utf-8", newline="")
        kept, dropped = tools["read"]("ingest.csv", Path(folder), path="a.csv")
    assert dropped.is_empty()
    assert list(zip(kept["text"], (json.loads(f)["n"] for f in kept["fields"]), strict=True)) == [
        ("x" + a, b) for a, b in rows
    ]
