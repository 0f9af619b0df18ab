import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.dedupe import lines
from instructkit.dedupe.lines import whole_lines
from instructkit.errors import InputError


@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.sampled_from([b"\n", b"a", b"{}\n", b"x" * 50, b"\r\n"]), max_size=40),
    at_once=st.integers(1, 60),
    tail=st.integers(1, 9),
)
def test_blocks_are_whole_lines_and_together_the_file(tmp_path, monkeypatch, packed, pieces, at_once, tail):
    monkeypatch.setattr(lines, "TAIL_BYTES", tail)
    data = b"".join(pieces)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data, 1, mtime=0) if packed else data)
    found = list(whole_lines(path, at_once))
    assert b"".join(found) == data
    assert all(block.endswith(b"\n") for block in found[:-1])
    assert all(found)
    if not packed:
        # No longer than asked for, unless it is one line.
        assert all(len(block) <= at_once or block.find(b"\n", at_once) in (-1, len(block) - 1) for block in found)
    assert list(whole_lines(path, at_once, [len(block) for block in found])) == found


def test_a_byte_order_mark_is_left_out(tmp_path):
    for data in (b"\xef\xbb\xbf{}\n", gzip.compress(b"\xef\xbb\xbf{}\n", mtime=0)):
        (tmp_path / "a").write_bytes(data)
        assert list(whole_lines(tmp_path / "a", 100)) == [b"{}\n"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{}\n".encode("utf-16"), "byte order mark of utf-16, expected UTF-8"),
        (gzip.compress(b"{}\n" * 1000, mtime=0)[:-9], "gzip file is truncated"),
        (b"PK\x03\x04....", "is a zip archive"),
        (b"PAR1....", "is a Parquet file"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_the_reason(tmp_path, data, said):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError, match=f"{Path(tmp_path / 'a')}: .*{said}"):
        list(whole_lines(tmp_path / "a", 100))
