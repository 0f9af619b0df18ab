"""White space is shown by signs, and nothing of a text is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from instructkit.report.preview.whitespace import marked, wrapped

TEXT = st.text(st.sampled_from("ab. ，中国\n\t\u200b\u00a0\u3000\x1b"))


def shown(text, mode="ends"):
    return ["".join(part for part, _ in line) for line in marked(text, mode)]


@pytest.mark.parametrize(
    ("text", "mode", "lines"),
    [
        ("a b \n\nc", "ends", ["a b·", "↵", "c"]),
        ("a b \n\nc", "all", ["a·b·↵", "↵", "c"]),
        ("a b \n\nc", "off", ["a b ", "", "c"]),
        ("\ta", "ends", ["⇥   a"]),
        ("a\u00a0b\u200bc", "ends", ["a⍽b<U+200B>c"]),
        ("　　中文　", "ends", ["　　中文□"]),
        ("a\x1b[31m\r", "ends", ["a␛[31m␍"]),
        ("a\x1b[31m", "off", ["a␛[31m"]),
        ("\u0928\u094d\u200d👩‍👧", "ends", ["\u0928\u094d\u200d👩‍👧"]),
    ],
)
def test_what_cannot_be_seen_has_a_sign(text, mode, lines):
    assert shown(text, mode) == lines


@given(TEXT)
def test_lines_stay_lines(text):
    assert len(marked(text)) == text.count("\n") + 1


@given(TEXT, st.integers(20, 40))
def test_wrapping_loses_nothing_and_fits(text, width):
    for line in marked(text):
        rows = wrapped(line, width)
        assert "".join(part for row in rows for part, _ in row) == "".join(part for part, _ in line)
        assert all(cell_len("".join(part for part, _ in row).rstrip(" ")) <= width for row in rows)


def test_rows_end_between_words():
    rows = wrapped([("one two three 中文，四", "")], 12)
    assert ["".join(part for part, _ in row) for row in rows] == ["one two ", "three 中文，", "四"]


def test_styles_survive():
    assert marked([("a", "trained"), (" \nb", "")]) == [[("a", "trained"), ("·", "mark")], [("b", "")]]
