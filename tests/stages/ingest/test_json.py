import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError
from instructkit.stages.ingest import limits


def test_each_object_of_an_array_is_a_document_with_its_row(read, write):
    write("a.json", json.dumps([{"text": "a", "n": 1}, {"text": "b"}], indent=2))
    kept, dropped = read("ingest.json", path="a.json")
    assert kept["text"].to_list() == ["a", "b"]
    assert kept["origin"].to_list() == [{"file": "a.json", "line": 1}, {"file": "a.json", "line": 2}]
    assert dropped.is_empty()


def test_spacing_and_compression_keep_ids(read, write):
    rows = [{"text": "a", "n": 1}] * 2
    write("a.json", json.dumps(rows))
    write("b/a.json.gz", json.dumps(rows, indent=4))
    assert read("ingest.json", path="a.json")[0]["id"].equals(read("ingest.json", path="b")[0]["id"])


def test_an_array_below_keys_is_found_and_what_stands_around_it_is_passed_over(read, write):
    write("a.json", json.dumps({"v": [1, {"items": 2}], "data": {"n": {}, "items": [{"text": "a"}]}, "z": 1}))
    kept, _ = read("ingest.json", path="a.json", records="data.items")
    assert kept["text"].to_list() == ["a"]


def test_records_inside_records_carry_what_stands_beside_them(read, write):
    squad = {
        "data": [{"title": "T", "paragraphs": [{"context": "C", "qas": [{"q": "1"}, {"q": "2", "title": "own"}]}]}]
    }
    write("a.json", json.dumps(squad))
    kept, _ = read("ingest.json", path="a.json", records="data.paragraphs.qas", text="q")
    assert [json.loads(f) for f in kept["fields"]] == [{"title": "T", "context": "C"}, {"title": "own", "context": "C"}]
    assert kept["origin"].struct["line"].to_list() == [1, 2]


def test_a_file_that_is_one_object_is_one_document(read, write):
    write("d/a.json", '{"text": "a"}')
    write("d/b.json", '{"text": "b"')
    write("d/c.json", "")
    kept, dropped = read("ingest.json", path="d")
    assert kept["origin"].to_list() == [{"file": "a.json", "line": None}]
    assert dropped["rule"].to_list() == ["not_json", "not_json"]
    assert dropped["origin"].struct["file"].to_list() == ["b.json", "c.json"]


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (b'{"text": "caf\xe9"}', "undecodable"),
        (b'{"text": "a", "n": NaN}', "not_a_number"),
        (b'{"text": "\\udc00"}', "lone_surrogate"),
        (b'{"text": "a", "text": "b"}', "duplicate_json_key"),
        (b'{"text": "a", "n": 123456789012345678901234567890}', "integer_too_large"),
        (b"12", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"text": 3.5}', "text_not_text"),
    ],
)
def test_an_object_that_cannot_be_held_is_dropped_with_its_row(read, write, item, rule):
    write("a.json", b'[{"text": "a"},\n' + item + b',\n{"text": "c"}]')
    kept, dropped = read("ingest.json", path="a.json")
    assert kept["text"].to_list() == ["a", "c"]
    assert dropped["rule"].to_list() == [rule]
    assert dropped["origin"].to_list() == [{"file": "a.json", "line": 2}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'[{"text": "a"},\n{"text": b}]', r"Expecting value, line 2, column 10\), after 1 records"),
        (b'[{"text": "a"}', r"expected ',' or '\]', found the end of the file, line 1"),
        (b'[{"text": "a"}\n{"text": "b"}]', r"expected ',' or '\]', found '\{', line 2, column 1"),
        (b'[{"text": "a"}] []', "more after the array's end"),
        (b'[{"text": "never closed]', "Unterminated string"),
        (b'[{"text": "a\x00"}]', "Invalid control character"),
        (b'{"text": "a"}\n{"text": "b"}\n', r"use ingest\.jsonl"),
        (b'{"data": [{"text": "a"}]}', r"no record has the column 'text'.*set records: data"),
        ('[{"text": "a"}]'.encode("utf-16"), "set encoding: utf-16"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_stops_being_json_stops_the_build_with_its_place(read, write, body, message):
    write("a.json", body)
    with pytest.raises(InputError, match=rf"a\.json: .*{message}"):
        read("ingest.json", path="a.json")


def test_a_missing_array_says_which_keys_there_are(read, write):
    write("a.json", '{"data": {"items": [], "n": 1}}')
    with pytest.raises(InputError, match=r"no 'item' for records: data\.item; did you mean 'items'"):
        read("ingest.json", path="a.json", records="data.item")
    with pytest.raises(InputError, match=r"data\.n is no array"):
        read("ingest.json", path="a.json", records="data.n")


def test_a_truncated_archive_is_named_even_behind_the_array(read, write):
    body = json.dumps({"data": [{"text": "a"}], "tail": [n * 7919 % 100003 for n in range(50_000)]})
    path = write("a.json.gz", body)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.json\.gz: the gzip file is truncated after 1 records"):
        read("ingest.json", path="a.json.gz", records="data")


def test_a_record_beyond_the_limit_stops_with_its_line(read, write):
    write("a.json", '[{"text": "a"},\n{"text": "' + "b" * 5_000_000 + '"}]')
    with pytest.raises(InputError, match=r"begins at line 2 is longer than max_record_bytes, 1,000,000"):
        read("ingest.json", path="a.json", max_record_bytes=1_000_000)
    assert read("ingest.json", path="a.json")[0].height == 2


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=80)
@given(
    rows=st.lists(st.fixed_dictionaries({"text": st.just("x")}, optional={"v": values, "é": values}), max_size=6),
    indent=st.sampled_from([None, 1]),
    escaped=st.booleans(),
    block=st.integers(1, 40),
)
def test_any_array_is_read_exactly_whatever_the_block_size(rows, indent, escaped, block, tools):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "READ_BYTES", block)
        text = json.dumps({"n": 1, "rows": rows}, indent=indent, ensure_ascii=escaped)
        (Path(folder) / "a.json").write_text(text, encoding="utf-8")
        kept, dropped = tools["read"]("ingest.json", Path(folder), path="a.json", records="rows")
    assert dropped.is_empty()
    assert [{"text": "x", **json.loads(f)} for f in kept["fields"]] == rows
