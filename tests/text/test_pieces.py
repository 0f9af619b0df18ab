import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.text.pieces import closed_up, is_gap, pieces, without_end


def cut(text, unit="lines"):
    return pl.DataFrame({"text": [text]}).select(pieces(pl.col("text"), unit)).item().to_list()


@pytest.mark.parametrize(
    ("text", "lines", "paragraphs"),
    [
        ("", [], []),
        ("one", ["one"], ["one"]),
        ("one\ntwo\n", ["one\n", "two\n"], ["one\ntwo\n"]),
        ("one\r\n\r\ntwo", ["one\r\n", "\r\n", "two"], ["one\r\n", "\r\n", "two"]),
        ("one\rtwo\r\rthree", ["one\r", "two\r", "\r", "three"], ["one\rtwo\r", "\r", "three"]),
        ("\n \n  a\n\tb\n\n\n", ["\n \n", "  a\n", "\tb\n", "\n\n"], ["\n \n", "  a\n\tb\n", "\n\n"]),
        ("a\n   ", ["a\n", "   "], ["a\n", "   "]),
        ("a\n\n   ", ["a\n", "\n   "], ["a\n", "\n   "]),
        ("a\n\u3000\nb", ["a\n", "\u3000\n", "b"], ["a\n", "\u3000\n", "b"]),
        ("a\u2028b\u2029c\x85d", ["a\u2028", "b\u2029", "c\x85", "d"], ["a\u2028b\u2029", "c\x85d"]),
        ("a\u2029\u2029b", ["a\u2029", "\u2029", "b"], ["a\u2029", "\u2029", "b"]),
        ("page\n\x0cpage", ["page\n", "\x0c", "page"], ["page\n", "\x0c", "page"]),
        ("一。\n二。\n\n三。", ["一。\n", "二。\n", "\n", "三。"], ["一。\n二。\n", "\n", "三。"]),
    ],
)
def test_texts_are_cut_where_lines_and_paragraphs_end(text, lines, paragraphs):
    assert cut(text) == lines
    assert cut(text, "paragraphs") == paragraphs


written = st.text("ab 月\t\u3000\n\r\x0b\x0c\x85\u2028\u2029", max_size=25)


@given(written)
def test_pieces_joined_are_the_text_and_gaps_are_never_neighbours(text):
    for unit in ("lines", "paragraphs"):
        parts = pl.DataFrame({"piece": cut(text, unit)}, schema={"piece": pl.String})
        assert "".join(parts["piece"]) == text
        gaps = parts.select(is_gap(pl.col("piece"))).to_series().to_list()
        assert not any(one and two for one, two in itertools.pairwise(gaps))


@given(written)
def test_lines_are_those_of_splitlines(text):
    parts = pl.DataFrame({"piece": cut(text)}, schema={"piece": pl.String}).filter(~is_gap(pl.col("piece")))
    ours = parts.select(without_end(pl.col("piece"))).to_series().to_list()
    assert ours == [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("rest", "opens", "closes", "left"),
    [
        (["a\n", "\n", "\n\n", "c"], False, False, "a\n\nc"),
        (["\n", "b"], True, False, "b"),
        (["a\n", "\n"], False, True, "a\n"),
        (["a\n", "\n", "\n"], False, True, "a\n"),
        (["\n", "a\n", "\n"], False, False, "\na\n\n"),
        (["\n", "\n", "\n"], True, True, ""),
    ],
)
def test_of_gaps_before_and_after_a_cut_the_one_before_stays(rest, opens, closes, left):
    frame = pl.DataFrame({"row": 0, "piece": rest, "opens": opens, "closes": closes})
    assert "".join(closed_up(frame)["piece"]) == left
