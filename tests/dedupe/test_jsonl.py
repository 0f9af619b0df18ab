from pathlib import Path

import pytest

from instructkit.dedupe.jsonl import JsonLines
from instructkit.errors import InputError


def read_all(path: Path) -> None:
    for block in JsonLines(path).blocks("text"):
        block.texts(block.rows())


@pytest.fixture
def fault(tmp_path, monkeypatch):
    """What is said of a file with some lines, read in small blocks."""
    monkeypatch.setattr("instructkit.dedupe.jsonl.BLOCK_BYTES", 40)

    def said(*lines: bytes) -> str:
        path = tmp_path / "in.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        with pytest.raises(InputError) as raised:
            read_all(path)
        return str(raised.value).removeprefix(f"{path}:")

    return said


GOOD = b'{"text": "good"}'


@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"text": "a"', "not JSON (Expecting ',' delimiter, column 13)"),
        (b"{'text': 1}", "not JSON (Expecting property name enclosed in double quotes, column 2)"),
        (b'{"text": NaN}', "NaN is not JSON"),
        (b'{"text": "\xff"}', "byte 0xff at byte 11 of the line is not utf-8"),
        (b'"text"', "JSON, but a string where a record is an object {...}"),
        (b'{"text": "a"} {"text": "b"}', "not JSON (Extra data, column 15)"),
        (b"\0\0\0", "a NUL character at byte 1 of the line"),
        (b'{"text": 1e999}', "error parsing line: InvalidNumber"),
    ],
)
def test_the_first_bad_line_is_named_with_its_number_and_reason(fault, before, bad, reason):
    said = fault(*[GOOD] * before, b"", b" \r", bad, GOOD, b"{")
    assert said.startswith(f"{before + 3}: {reason}")
    assert said.endswith("mend the line, or take it out")


def test_an_array_is_told_from_lines(fault):
    assert fault(b"[", b'{"text": "a"},', b"]").startswith("1: ")
    assert "`jq -c '.[]' FILE`" in fault(b"[", b'{"text": "a"},', b"]")
    assert "`jq -c '.[]' FILE`" in fault(b'[{"text": "a"}]')


def test_a_line_end_within_a_text_is_no_line_of_its_own(fault):
    assert fault(GOOD, b'{"text": "a', b'b"}').startswith("2: not JSON")


def test_keys_of_all_first_rows_are_columns(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\n{"b": 1, "a": {"c": 2}}\n{"a": 1, "d": 3}\n')
    assert JsonLines(tmp_path / "a.jsonl").columns() == ["b", "a", "d"]


def test_texts_are_those_that_json_means(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"text":"\\u00e9\\n\\ud83c\\udf0a"}\r\n \r\n{"n":[{"text":"inner"}],"text":null}\n{"te\\u0078t":"x"}\n'
        b'{"text":[{"role":"user","n":1}]}\n{"text":true}'
    )
    (block,) = JsonLines(tmp_path / "a.jsonl").blocks("text")
    rows = block.rows()
    assert block.texts(rows).to_list() == ["é\n🌊", None, "x", '[{"role": "user", "n": 1}]', "true"]
    assert rows.lines is not None
    assert rows.lines.tolist() == [0, 2, 3, 4, 5]
