import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.report.hunks import CONTEXT, LONG, MOST_DIFFERENCES, rows, visible
from instructkit.text.worddiff import Piece, word_diff


def said(found, side="old"):
    return [row if isinstance(row, str) else "".join(getattr(piece, side) for piece in row) for row in found]


def words(count, name="w"):
    return " ".join(f"{name}{n}" for n in range(count))


def test_long_equal_stretches_are_folded_but_for_their_context():
    old, new = f"{words(200)} old {words(300, 'v')}", f"{words(200)} new {words(300, 'v')}"
    before, row, after = rows(word_diff(old, new))
    assert (before, after) == ("… 185 equal words …", "… 285 equal words …")
    assert said([row]) == [f"{' '.join(f'w{n}' for n in range(185, 200))} old {words(15, 'v')}"]


def test_a_fold_must_be_worth_its_line():
    text = words(2 * CONTEXT)
    assert said(rows(word_diff(f"a {text} b", f"c {text} d"))) == [f"a {text} b"]


def test_lines_that_end_in_both_texts_are_rows():
    assert said(rows(word_diff("one\ntwo old\n\nthree", "one\ntwo new\n\nthree"))) == ["one", "two old", "", "three"]


def test_unspaced_text_is_folded_by_the_character():
    text = "海面上风平浪静远处的岛屿像一幅画" * 5
    assert rows(word_diff(text + "旧", text + "新"))[0] == f"… {len(text) - CONTEXT} equal characters …"


def test_ignored_differences_far_from_a_change_are_counted():
    old = f"{words(50)} TIDE {words(50)} end"
    found = rows(word_diff(old, old.lower()[:-3] + "stop", ["case"]))
    assert found[0] == f"… {101 - CONTEXT} words, equal but for 1 ignored difference …"


def test_ignored_differences_are_shown_where_nothing_else_differs():
    old = f"{words(50)} TIDE {words(50)}"
    _, row, _ = rows(word_diff(old, old.lower(), ["case"]))
    assert [(piece.old, piece.new) for piece in row if piece.kind == "ignored"] == [("TIDE", "tide")]


def test_equal_texts_show_how_they_begin():
    row, fold = rows(word_diff(words(200), words(200)))
    assert said([row])[0].strip() == words(45)
    assert fold == "… 155 equal words …"


def test_a_long_change_is_shown_by_its_ends():
    (row,) = rows(word_diff(words(500), words(3, "v")))
    assert "w59 … 380 more words … w440" in said([row])[0]
    assert len(said([row])[0].split()) == LONG + 5


def test_more_differences_than_one_reads_are_counted():
    old = " ".join(f"old{n} a b c d" for n in range(MOST_DIFFERENCES + 7))
    found = rows(word_diff(old, old.replace("old", "new")))
    assert found[-1] == "… 7 more differences; --full shows them …"
    assert sum(piece.kind == "changed" for row in found[:-1] for piece in row) == MOST_DIFFERENCES


@given(st.text(alphabet="ab AB\n", max_size=300), st.text(alphabet="ab AB\n", max_size=300))
def test_full_rows_hold_both_texts(old, new):
    found = rows(word_diff(old, new, ["case"]), full=True)
    for side, text in (("old", old), ("new", new)):
        assert "\n".join(said(found, side)).split() == text.split()


@given(st.lists(st.sampled_from(["tide", "Moon", "sea", "\n", "3"]), max_size=200), st.integers(0, 100))
def test_every_change_stands_in_some_row(parts, every):
    old = " ".join(parts)
    new = " ".join("x" if every and n % every == 1 else part for n, part in enumerate(parts))
    pieces = word_diff(old, new, ["case"])
    shown = [piece for row in rows(pieces) if not isinstance(row, str) for piece in row]
    changes = [piece for piece in pieces if piece.kind == "changed"]
    assert [piece for piece in shown if piece.kind == "changed"][:20] == changes[:20]


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ("  ", "\n", ("··", "↵")),
        ("a b", "ab", ("a·b", "ab")),
        ("a\u200bb", "ab", ("a<U+200B>b", "ab")),
        ("é", "e\u0301", ("<U+00E9>", "e<U+0301>")),
        ("a\u00a0b", "a b", ("a<U+00A0>b", "a·b")),
        ("tide in", "moon", ("tide in", "moon")),
        ("\x1b[2J", "x", ("␛[2J", "x")),
    ],
)
def test_differences_that_cannot_be_seen_are_spelled(old, new, seen):
    piece = visible(Piece(kind="changed", old=old, new=new))
    assert (piece.old, piece.new) == seen
