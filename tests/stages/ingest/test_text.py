import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError


def test_each_file_is_a_document_without_a_line(read, write):
    write("d/a.txt", "One.\r\nTwo.\r\n")
    write("d/b/c.md.gz", "# Head\n\nText\n")
    kept, dropped = read("ingest.text", path="d")
    assert kept["text"].to_list() == ["One.\nTwo.\n", "# Head\n\nText\n"]
    assert kept["origin"].to_list() == [{"file": "a.txt", "line": None}, {"file": "b/c.md.gz", "line": None}]
    assert dropped.is_empty()


def test_html_is_laid_out_as_text_with_its_title(read, write):
    page = "<html><head><title> The\n Tides </title></head><body><h1>Tides</h1><p>The <b>moon</b> pulls.<ul><li>A<li>B"
    write("a.html", page)
    kept, _ = read("ingest.text", path="a.html")
    assert kept["text"].to_list() == ["Tides\n\nThe moon pulls.\n\n  * A\n  * B"]
    assert json.loads(kept["fields"][0]) == {"title": "The Tides"}
    kept, _ = read("ingest.text", path="a.html", unit="paragraph")
    assert kept["text"].to_list() == ["Tides", "The moon pulls.", "  * A\n  * B"]
    assert kept["origin"].struct["line"].to_list() == [1, 2, 3]


def test_a_page_is_read_in_the_encoding_it_declares(read, write):
    write("a.html", '<html><head><meta charset="iso-8859-1"></head><body>café</body></html>'.encode("latin-1"))
    write("b.html", '<?xml version="1.0" encoding="utf-8"?><html><body>café</body></html>')
    kept, dropped = read("ingest.text", path="*.html")
    assert kept["text"].to_list() == ["café", "café"]
    assert dropped.is_empty()


def test_paragraphs_are_parted_by_blank_lines_and_carry_their_first_line(read, write):
    write("a.txt", "\n\nOne\nstill one\n \t\nTwo\r\n\r\n\r\nThree")
    kept, _ = read("ingest.text", path="a.txt", unit="paragraph")
    assert kept["text"].to_list() == ["One\nstill one", "Two", "Three"]
    assert kept["origin"].struct["line"].to_list() == [3, 6, 9]


def test_a_fenced_block_of_markdown_is_not_parted(read, write):
    write("a.md", "Intro\n\n~~~~py\na\n\n~~~\n\nb\n~~~~\n\nEnd\n")
    kept, _ = read("ingest.text", path="a.md", unit="paragraph")
    assert kept["text"].to_list() == ["Intro", "~~~~py\na\n\n~~~\n\nb\n~~~~", "End"]


def test_equal_lines_are_documents_of_their_own(read, write):
    write("a.txt", "same\n\nsame\nother\u2028same\n")
    kept, _ = read("ingest.text", path="a.txt", unit="line")
    assert kept["text"].to_list() == ["same", "same", "other\u2028same"]
    assert kept["id"].n_unique() == 3


@pytest.mark.parametrize(
    ("data", "rule", "detail"),
    [
        (b"caf\xe9", "undecodable", "byte 0xe9 at byte 4 of the file is not utf-8"),
        (b"a\x00b", "nul_character", "character 2 of the file"),
        (b"", "empty_text", "empty"),
        (b" \n ", "empty_text", "empty"),
        ("a".encode("utf-16"), "undecodable", "set encoding: utf-16"),
        (b"a" * 101, "file_too_long", "max_line_bytes"),
    ],
)
def test_a_file_that_is_no_text_is_dropped_with_its_name(read, write, data, rule, detail):
    write("d/a.txt", data)
    write("d/b.txt", "good")
    kept, dropped = read("ingest.text", path="d", max_line_bytes=100)
    assert kept["text"].to_list() == ["good"]
    drop = dropped.row(0, named=True)
    assert (drop["rule"], drop["origin"]) == (rule, {"file": "a.txt", "line": None})
    assert detail in drop["detail"]


@pytest.mark.parametrize("unit", ["line", "paragraph"])
def test_bad_lines_and_paragraphs_are_dropped_with_their_line(read, write, unit):
    write("a.txt", b"good\n\ncaf\xe9\n\n" + b"a" * 101 + b"\n\na\x00\n\ngood")
    kept, dropped = read("ingest.text", path="a.txt", unit=unit, max_line_bytes=100)
    assert kept["origin"].struct["line"].to_list() == [1, 9]
    assert dropped["rule"].to_list() == ["undecodable", "line_too_long", "nul_character"]
    assert dropped["origin"].struct["line"].to_list() == [3, 5, 7]


def test_a_paragraph_beyond_the_limit_is_dropped_whole(read, write):
    write("a.txt", "good\n\n" + "0123456789\n" * 20 + "\ngood too\n")
    kept, dropped = read("ingest.text", path="a.txt", unit="paragraph", max_line_bytes=100)
    assert kept["text"].to_list() == ["good", "good too"]
    assert dropped["value"].to_list() == ["219 bytes"]


def test_a_truncated_archive_stops_the_build(read, write):
    path = write("a.txt.gz", "".join(f"{n * 7919 % 100003}\n" for n in range(20_000)))
    path.write_bytes(path.read_bytes()[:-50])
    for unit in ("file", "paragraph", "line"):
        with pytest.raises(InputError, match=r"a\.txt\.gz: the gzip file is truncated after"):
            read("ingest.text", path="a.txt.gz", unit=unit)


lines = st.lists(st.sampled_from(["a", "b", "", "  ", "c d", "é"]), max_size=20)


@settings(deadline=None, max_examples=40)
@given(lines=lines, size=st.integers(1, 30))
def test_ranges_of_a_file_of_lines_change_no_document(lines, size, tools):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_text("x\n" + "\n".join(lines), encoding="utf-8")
        kept, _ = tools["read"]("ingest.text", Path(folder), path="a.txt", unit="line")
        with tools["cut"](part_bytes=size, shard_rows=size):
            again, _ = tools["read"]("ingest.text", Path(folder), path="a.txt", unit="line")
    assert kept["text"].to_list() == ["x", *(line for line in lines if line.strip())]
    assert again.equals(kept)
