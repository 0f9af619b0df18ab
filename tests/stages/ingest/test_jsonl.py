import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError
from instructkit.stages.ingest.jsonl import IngestJsonl

GOOD = b'{"text": "good"}\n'


def test_a_line_becomes_a_document_with_its_other_columns_as_fields(read, write):
    write("news/a.jsonl", [{"text": "The moon.", "title": "Tides", "n": 2**63, "x": {"b": 1.5, "a": None}}])
    kept, dropped = read("ingest.jsonl", path="news")
    assert dropped.is_empty()
    row = kept.row(0, named=True)
    assert row["text"] == "The moon."
    assert row["fields"] == '{"n":9223372036854775808,"title":"Tides","x":{"a":null,"b":1.5}}'
    assert row["origin"] == {"file": "a.jsonl", "line": 1}
    assert row["id"].startswith("src-")
    assert len(row["id"]) == len("src-") + 20


def test_dotted_paths_reach_text_fields_key_and_language(read, write):
    write("a.jsonl", [{"doc": {"body": "Tides.", "lang": "en", "by": "A"}, "id": 7, "n": 1}])
    kept, _ = read(
        "ingest.jsonl", path="a.jsonl", text="doc.body", fields=["doc.by", "n"], key="id", language="doc.lang"
    )
    row = kept.row(0, named=True)
    assert (row["id"], row["text"], row["language"]) == ("src-7", "Tides.", "en")
    assert json.loads(row["fields"]) == {"doc": {"by": "A"}, "n": 1}
    kept, _ = read("ingest.jsonl", path="a.jsonl", text="doc.body")
    assert json.loads(kept["fields"][0]) == {"doc": {"lang": "en", "by": "A"}, "id": 7, "n": 1}


@pytest.mark.parametrize(
    ("line", "rule", "detail"),
    [
        (b'{"text": "a",}', "not_json", "column 14"),
        (b'{"text": "a"} {"text": "b"}', "not_json", "Extra data"),
        (b'"just a text"', "not_an_object", "a string"),
        (b"[1, 2]", "not_an_object", "an array"),
        (b'{"text": "caf\xe9"}', "undecodable", "byte 0xe9 at byte 14"),
        (b'{"text": "a\x00b"}', "nul_character", "byte 12"),
        (b'{"text": "a", "n": NaN}', "not_a_number", "NaN"),
        (b'{"text": "a", "n": -Infinity}', "not_a_number", "-Infinity"),
        (b'{"text": "\\ud800"}', "lone_surrogate", "not Unicode text"),
        (b'{"text": "a", "text": "b"}', "duplicate_json_key", '"text" stands twice'),
        (b'{"text": "a", "x": {"k" :1, "k":2}}', "duplicate_json_key", '"k" stands twice'),
        (b'{"text": "say \\":\\"", "k": 1, "k": 2}', "duplicate_json_key", '"k" stands twice'),
        (b'{"text": "a", "n": 123456789012345678901234567890}', "integer_too_large", "beyond 64 bits"),
        (b"[" * 5000, "not_json", "deep"),
        (b'{"title": "a"}', "missing_text", "'text'"),
        (b'{"text": null}', "null_text", "null"),
        (b'{"text": 12}', "text_not_text", "a number"),
        (b'{"text": ["a"]}', "text_not_text", "a list"),
        (b'{"text": "  "}', "empty_text", "empty"),
        (b'{"text": "' + b"a" * 3000 + b'"}', "line_too_long", "max_line_bytes"),
    ],
)
def test_a_bad_line_is_a_drop_with_file_line_and_rule(read, write, line, rule, detail):
    write("a.jsonl", GOOD + line + b"\n" + b'{"text": "good too"}\n')
    limit = {"max_line_bytes": 1000} if rule == "line_too_long" else {}
    kept, dropped = read("ingest.jsonl", path="a.jsonl", **limit)
    assert kept["text"].to_list() == ["good", "good too"]
    assert kept["origin"].struct["line"].to_list() == [1, 3]
    drop = dropped.row(0, named=True)
    assert (drop["rule"], drop["origin"]) == (rule, {"file": "a.jsonl", "line": 2})
    assert detail in drop["detail"]
    assert dropped.height == 1


def test_a_line_beyond_the_limit_is_dropped_with_its_size(read, write):
    write("a.jsonl", GOOD + b'{"text": "' + b"a" * 5_000_000 + b'"}\n' + GOOD)
    kept, dropped = read("ingest.jsonl", path="a.jsonl", max_line_bytes=1 << 20)
    drop = dropped.row(0, named=True)
    assert (drop["rule"], drop["value"], drop["threshold"]) == ("line_too_long", "5000012 bytes", "1048576 bytes")
    assert kept["origin"].struct["line"].to_list() == [1, 3]


def test_large_whole_numbers_survive_where_they_are_not_taken_along(read, write):
    write("a.jsonl", b'{"text": "a", "n": 123456789012345678901234567890}\n')
    kept, dropped = read("ingest.jsonl", path="a.jsonl", fields=[])
    assert (kept.height, dropped.height) == (1, 0)


def test_escaped_quotes_before_colons_are_no_duplicate_keys(read, write):
    write(
        "a.jsonl", [{"text": 'he said "no": twice "x":1', "a": {"text": 1}}, {"text": "b", "odd\\": 1, "e" * 3: 2e300}]
    )
    kept, dropped = read("ingest.jsonl", path="a.jsonl")
    assert (kept.height, dropped.height) == (2, 0)


def test_line_ends_marks_and_unicode_separators_are_no_trouble(read, write):
    body = '{"text": "one\u2028still one\x85"}\r\n\r\n   \n{"text": "two"}'.encode()
    write("a.jsonl", b"\xef\xbb\xbf" + body)
    kept, dropped = read("ingest.jsonl", path="a.jsonl")
    assert kept["text"].to_list() == ["one\u2028still one\x85", "two"]
    assert kept["origin"].struct["line"].to_list() == [1, 4]
    assert dropped.is_empty()


def test_other_encodings_are_read_when_named(read, write):
    text = '{"text": "café 中文"}\n'
    for encoding in ("utf-16", "utf-16-le", "utf-32", "gb18030"):
        write("a.jsonl", (text * 2).encode(encoding))
        kept, dropped = read("ingest.jsonl", path="a.jsonl", encoding=encoding)
        assert kept["text"].to_list() == ["café 中文"] * 2, encoding
        assert dropped.is_empty()


def test_a_utf16_file_says_what_it_is_and_the_way_out(read, write):
    write("a.jsonl", '{"text": "a"}\n'.encode("utf-16"))
    with pytest.raises(InputError, match=r"a\.jsonl: starts with the byte order mark of utf-16.*set encoding: utf-16"):
        read("ingest.jsonl", path="a.jsonl")


def test_an_empty_file_gives_an_empty_outcome(read, write):
    write("a.jsonl", b"")
    kept, dropped = read("ingest.jsonl", path="a.jsonl")
    assert kept.is_empty()
    assert dropped.is_empty()


def test_a_misnamed_text_column_is_the_recipes_fault(read, write):
    write("a.jsonl", [{"body": "a", "meta": {"by": "x"}}] * 3)
    with pytest.raises(InputError, match=r"a\.jsonl: .*'bodi' that `text` names; did you mean 'body'\?.*meta\.by"):
        read("ingest.jsonl", path="a.jsonl", text="bodi")
    with pytest.raises(InputError, match=r"'meta\.bye' that `fields.* did you mean 'meta\.by'"):
        read("ingest.jsonl", path="a.jsonl", text="body", fields=["meta.bye"])


def test_more_bad_lines_than_allowed_stop_with_file_line_and_way_out(read, write, tmp_path):
    write("a.jsonl", GOOD + b"{\n" * 3)
    _, dropped = read("ingest.jsonl", path="a.jsonl", max_bad_lines=3)
    assert dropped.height == 3
    with pytest.raises(InputError, match=rf"{tmp_path}/a\.jsonl:4: not_json.*raise it"):
        read("ingest.jsonl", path="a.jsonl", max_bad_lines=2)


def test_a_json_array_is_sent_to_the_stage_for_it(read, write):
    write("a.jsonl", b'[\n{"text": "a"}\n]\n')
    with pytest.raises(InputError, match=r"use ingest\.json"):
        read("ingest.jsonl", path="a.jsonl")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_archive_is_named_with_its_file_and_last_line(read, write, suffix):
    rows = [{"text": f"line {number} {number * 7919 % 1000003}"} for number in range(50_000)]
    path = write(f"a.jsonl{suffix}", rows)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=rf"a\.jsonl{suffix}: the \w+ file is truncated after line [\d,]{{3,}}"):
        read("ingest.jsonl", path=f"a.jsonl{suffix}")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_damaged_archive_is_named(read, write, suffix):
    path = write(f"a.jsonl{suffix}", [{"text": f"line {number}"} for number in range(5000)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"file is (damaged|truncated)"):
        read("ingest.jsonl", path=f"a.jsonl{suffix}")


def test_a_zip_archive_is_called_by_its_name(read, write):
    write("a.jsonl", b"PK\x03\x04 and so on")
    with pytest.raises(InputError, match="a zip archive"):
        read("ingest.jsonl", path="a.jsonl")


def test_keys_are_ids(read, write):
    write("a.jsonl", [{"id": 1, "text": "a"}, {"id": "b", "text": "b"}, {"text": "c"}, {"id": 1.5, "text": "d"}])
    kept, dropped = read("ingest.jsonl", path="a.jsonl", key="id")
    assert kept["id"].to_list() == ["src-1", "src-b"]
    assert dropped["rule"].to_list() == ["missing_key", "bad_key"]
    assert dropped["id"].to_list() == [None, None]


def test_a_key_that_stands_twice_is_refused_with_both_places_and_a_way_out(read, write):
    write("d/a.jsonl", [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])
    write("d/b.jsonl", [{"id": "2", "text": "c"}])
    with pytest.raises(
        InputError, match=r"b\.jsonl: the key 'id' is '2' at b\.jsonl:1 and at a\.jsonl:2; .*leave `key`"
    ):
        read("ingest.jsonl", path="d", key="id")


def test_a_key_repeated_by_a_record_that_is_dropped_is_no_fault_however_the_file_is_cut(read, write, tools):
    write("a.jsonl", [{"id": 1, "text": ""}, {"id": 1, "text": "b"}, {"id": 1, "text": None}])
    kept, dropped = read("ingest.jsonl", path="a.jsonl", key="id")
    assert kept["text"].to_list() == ["b"]
    assert dropped["rule"].to_list() == ["empty_text", "null_text"]
    with tools["cut"](part_bytes=10):
        assert read("ingest.jsonl", path="a.jsonl", key="id")[0].equals(kept)


def test_other_fields_chosen_or_compression_keep_every_id(read, write):
    rows = [{"text": "a", "n": n % 3} for n in range(9)]
    write("a.jsonl", rows)
    ids = read("ingest.jsonl", path="a.jsonl")[0]["id"].to_list()
    assert read("ingest.jsonl", path="a.jsonl", fields=[])[0]["id"].to_list() == ids
    write("b/a.jsonl.zst", rows)
    assert read("ingest.jsonl", path="b")[0]["id"].to_list() == ids


def test_a_file_that_grows_re_reads_its_last_part_only(write, tmp_path, tools):
    stage = IngestJsonl(path="a.jsonl", source="src")
    rows = [{"text": f"text {number % 40}"} for number in range(200)]
    with tools["cut"](part_bytes=500, read_bytes=64):
        write("a.jsonl", rows)
        before = stage.parts(tmp_path)
        write("a.jsonl", [*rows, {"text": "new"}, {"text": "text 1"}])
        after = stage.parts(tmp_path)
    assert len(before) > 5
    told = [[(p.files, p.options) for p in parts] for parts in (before, after)]
    assert told[0][:-1] == told[1][: len(before) - 1]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
rows = st.lists(
    st.fixed_dictionaries({"text": st.sampled_from(["a", "b"]) | texts}, optional={"n": st.integers(0, 1), "s": texts}),
    max_size=25,
)
bad_lines = st.sampled_from([b"{", b'{"x": 1}', b"", b"  ", b"\xff", b'{"text": 1}', b'{"text":"a","text":"a"}'])


@settings(deadline=None, max_examples=60)
@given(rows=rows, extra=st.lists(bad_lines, max_size=5), data=st.data())
def test_part_size_shard_size_and_compression_change_no_document_and_counts_add_up(rows, extra, data, tools):
    lines = [json.dumps(row, ensure_ascii=data.draw(st.booleans())).encode() for row in rows] + extra
    lines = data.draw(st.permutations(lines))
    end = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    body = b'{"text": "first"}' + end + end.join(lines) + data.draw(st.sampled_from([b"", end]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "plain").mkdir()
        tools["pack"](root / "plain/a.jsonl", body)
        kept, dropped = tools["read"]("ingest.jsonl", root, path="plain")
        assert kept.height + dropped.height == 1 + sum(1 for line in lines if line.strip())
        sizes = st.integers(1, 80)
        with tools["cut"](part_bytes=data.draw(sizes), shard_rows=data.draw(sizes), read_bytes=data.draw(sizes)):
            again = tools["read"]("ingest.jsonl", root, path="plain")
        assert again[0].equals(kept)
        assert again[1].equals(dropped)
        (root / "packed").mkdir()
        tools["pack"](root / f"packed/a.jsonl{data.draw(st.sampled_from(['.gz', '.zst']))}", body)
        packed, _ = tools["read"]("ingest.jsonl", root, path="packed")
        assert packed.drop("origin").equals(kept.drop("origin"))
        assert packed["origin"].struct["line"].equals(kept["origin"].struct["line"])


@settings(deadline=None, max_examples=40)
@given(rows=rows, before=rows, size=st.integers(1, 200))
def test_lines_put_in_before_leave_the_ids_of_other_records_alone(rows, before, size, tools):
    told = {json.dumps(row) for row in rows}
    before = [row for row in before if json.dumps(row) not in told]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / "a.jsonl"
        tools["pack"](path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        first, _ = tools["read"]("ingest.jsonl", root, path="a.jsonl")
        tools["pack"](path, "".join(json.dumps(row) + "\n" for row in before + rows).encode())
        with tools["cut"](part_bytes=size):
            second, _ = tools["read"]("ingest.jsonl", root, path="a.jsonl")
        assert second["id"].to_list()[second.height - first.height :] == first["id"].to_list()


def test_a_line_of_many_blocks_is_listed_and_dropped_without_being_held(write, tmp_path, tools):
    write("a.jsonl", GOOD + b'{"text": "' + b"a" * 100_000 + b'"}\n' + GOOD)
    with tools["cut"](part_bytes=20_000, read_bytes=1000):
        kept, dropped = tools["read"]("ingest.jsonl", tmp_path, path="a.jsonl", max_line_bytes=5000)
    assert kept["origin"].struct["line"].to_list() == [1, 3]
    assert kept["id"].n_unique() == 2
    assert dropped["value"].to_list() == ["100012 bytes"]
