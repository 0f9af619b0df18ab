import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.hashing import bytes_digest
from instructkit.stages.ingest import limits
from instructkit.stages.ingest.find import find_files
from instructkit.stages.ingest.parts import file_parts, line_parts


def parts_of(folder, **changes):
    options = {"encoding": "utf-8", "max_line_bytes": 100, "count_equals": True, **changes}
    return line_parts(find_files("*", folder, ()), **options)


@settings(deadline=None)
@given(body=st.binary(min_size=1).map(lambda b: b * 3), size=st.integers(1, 60), block=st.integers(1, 70))
def test_ranges_meet_cover_the_file_and_begin_after_line_ends(body, size, block, tools):
    with tempfile.TemporaryDirectory() as folder, tools["cut"](part_bytes=size, read_bytes=block):
        (Path(folder) / "a").write_bytes(b"x" + body)
        files = [part.files[0] for part in parts_of(Path(folder))]
    body = b"x" + body
    assert files[0].start == 0
    if files[-1].end is None:
        assert len(files) == 1
        return
    assert files[-1].end == len(body)
    for file, after in pairwise(files):
        assert file.end == after.start
        assert body[after.start - 1 : after.start] == b"\n"
        assert after.first_line == 1 + body[: after.start].count(b"\n")
    assert all(file.digest == bytes_digest(body[file.start : file.end]) for file in files)


def test_a_later_range_knows_the_lines_that_stood_before_it(tmp_path, tools):
    (tmp_path / "a").write_bytes(b"same\nother\n  same\r\nmore\nsame\n" + b"l" * 500 + b"\nsame")
    with tools["cut"](part_bytes=12, read_bytes=7):
        parts = parts_of(tmp_path)
    seen = [[count for _, count in json.loads(dict(part.options).get("seen", "[]"))] for part in parts]
    assert seen[0] == []
    assert [count for counts in seen for count in counts] == [2, 3]
    with tools["cut"](part_bytes=12):
        assert not any(part.options for part in parts_of(tmp_path, count_equals=False))


def test_wide_encodings_and_archives_are_not_cut(write, tmp_path, tools):
    write("a.gz", b"x\n" * 50_000)
    with tools["cut"](part_bytes=20):
        assert [part.files[0].end for part in parts_of(tmp_path)] == [None]
    write("a.gz", b"").unlink()
    write("b", "x\n".encode("utf-16") * 50)
    with tools["cut"](part_bytes=20):
        assert [part.files[0].end for part in parts_of(tmp_path, encoding="utf-16")] == [None]


def test_small_files_share_buckets_and_a_new_one_changes_one_bucket(write, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "BUCKET_FILES", 8)
    for number in range(50):
        write(f"d/{number}.txt", f"text {number}")

    def buckets():
        return {part.files for part in file_parts(find_files("d", tmp_path, (".txt",)))}

    before = buckets()
    assert 4 <= len(before) <= 8
    assert sum(map(len, before)) == 50
    write("d/new.txt", "new")
    assert len(buckets() - before) == 1


def test_large_files_have_parts_of_their_own(write, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SMALL_FILE_BYTES", 10)
    write("d/a.txt", "x" * 11)
    write("d/b.txt", "x" * 10)
    write("d/c.txt", "x")
    parts = file_parts(find_files("d", tmp_path, (".txt",)), options=(("k", "v"),))
    assert [[file.name for file in part.files] for part in parts] == [["a.txt"], ["b.txt", "c.txt"]]
    assert all(part.options == (("k", "v"),) for part in parts)


@pytest.mark.parametrize("count_equals", [True, False])
def test_parts_are_the_same_in_another_folder(write, tmp_path, tools, count_equals):
    with tools["cut"](part_bytes=30):
        told = []
        for home in ("one", "two"):
            write(f"{home}/a", b"line\n" * 20)
            parts = parts_of(tmp_path / home, count_equals=count_equals)
            told.append([(p.name, p.options, [(f.name, f.digest, f.start) for f in p.files]) for p in parts])
    assert told[0] == told[1]
