import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.text.normalise import normalised
from instructkit.text.worddiff import tokens, word_diff
from instructkit.text.words import runs

MINHASH = ("case", "punctuation", "whitespace")
WORDS = ["tide", "Tide", "TIDE", "moon.", "moon", "—", "e\u0301", "é", "月", "亮", "น้ำ", "3", "w" * 150]
SPACES = ["", " ", "  ", "\n", "\u00a0", "\t", "\x1f"]
TEXTS = st.one_of(
    st.text(),
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=25).map(
        lambda parts: "".join(word + space for word, space in parts)
    ),
)
IGNORE = st.sets(st.sampled_from(["case", "punctuation", "whitespace", "digits"])).map(sorted)


def short(pieces):
    return [(piece.kind, piece.old, piece.new) for piece in pieces]


@given(TEXTS, TEXTS, IGNORE)
def test_the_pieces_give_back_both_texts(old, new, ignore):
    pieces = word_diff(old, new, ignore)
    assert "".join(piece.old for piece in pieces) == old
    assert "".join(piece.new for piece in pieces) == new


@given(TEXTS, TEXTS, IGNORE)
def test_a_piece_is_of_the_kind_it_says(old, new, ignore):
    for piece in word_diff(old, new, ignore):
        assert (piece.kind == "equal") == (piece.old == piece.new)
        assert piece.old or piece.new


@given(TEXTS, TEXTS)
def test_texts_without_a_change_are_the_same_words_to_who_compared(old, new):
    if any(piece.kind == "changed" for piece in word_diff(old, new, MINHASH)):
        return
    both = pl.DataFrame({"text": [old, new]}).select(runs(normalised(pl.col("text"), MINHASH)).list.join(""))
    assert both["text"][0] == both["text"][1]


@given(TEXTS)
def test_a_text_is_equal_to_itself(text):
    assert short(word_diff(text, text)) == ([("equal", text, text)] if text else [])


@given(TEXTS)
def test_tokens_are_the_text(text):
    assert "".join(tokens(text)) == text


def test_words_are_removed_added_and_replaced():
    assert short(word_diff("the big brown fox sat", "the brown dog sat down")) == [
        ("equal", "the ", "the "),
        ("changed", "big ", ""),
        ("equal", "brown ", "brown "),
        ("changed", "fox", "dog"),
        ("equal", " sat", " sat"),
        ("changed", "", " down"),
    ]


def test_what_is_ignored_is_marked_as_that():
    pieces = word_diff("THE TIDE  turns\ntwice, daily", "the tide turns twice daily", MINHASH)
    assert short(pieces) == [
        ("ignored", "THE TIDE  ", "the tide "),
        ("equal", "turns", "turns"),
        ("ignored", "\ntwice,", " twice"),
        ("equal", " daily", " daily"),
    ]


def test_what_is_not_ignored_is_a_change():
    assert short(word_diff("Tide  in", "tide in")) == [("changed", "Tide ", "tide"), ("equal", " in", " in")]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("太阳升起来的时候", "太阳落下的时候", [("升起来", "落下")]),
        ("潮は満ちる", "潮は引く", [("満ちる", "引く")]),
        ("ฝนตกหนักมาก", "ฝนตกมาก", [("หนัก", "")]),
        ("用 Python 写", "用 Rust 写", [("Python", "Rust")]),
    ],
)
def test_scripts_without_spaces_are_compared_by_character(old, new, changes):
    assert [(p.old, p.new) for p in word_diff(old, new) if p.kind == "changed"] == changes


def test_chance_words_do_not_tear_a_rewritten_sentence_apart():
    pieces = word_diff("we saw a cat of the old kind there", "they met some dogs of the new sort once")
    assert [piece.kind for piece in pieces] == ["changed"]


def test_a_text_of_megabytes_shows_its_few_changes():
    draw = random.Random(5)
    words = [f"w{int(draw.paretovariate(1))}" for _ in range(150_000)]
    other = list(words)
    for n in range(500, 150_000, 15_000):
        other[n] = "here"
    pieces = word_diff(" ".join(words), " ".join(other), MINHASH)
    assert [piece.new for piece in pieces if piece.kind == "changed"] == ["here"] * 10


def test_a_word_of_megabytes_shows_where_it_differs():
    old = "x" * 3_000_000
    pieces = word_diff(old, old[:-1] + "y")
    assert [piece.kind for piece in pieces] == ["equal", "changed"]
    assert len(pieces[1].old) <= 64
