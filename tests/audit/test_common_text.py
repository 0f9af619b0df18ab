"""What a text has of its own is what is left without the sequences of words that stand in many texts."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.audit.common_text import CommonText


def own(counted, asked, common=10, known=()):
    text = CommonText(common)
    text.add(pl.Series(counted, dtype=pl.String))
    text.add_known(known)
    return text.own(pl.Series(asked, dtype=pl.String)).to_list()


TOLD = "please say in one word whether the writer likes it"


@pytest.fixture
def rows(text):
    """Thirty rows of one template."""
    return [f"{TOLD}: {text(n, 6)}" for n in range(30)]


def test_template_text_is_taken_away_and_the_rest_stays_in_order(rows, text):
    assert own(rows, rows[:2]) == [text(0, 6), text(1, 6)]


def test_text_of_fewer_rows_is_everybodys_own(rows, text):
    assert own(rows[:9], rows[:1]) == rows[:1]


def test_known_text_is_taken_away_however_seldom_it_stands(rows, text):
    assert own(rows[:1], rows[:1], known=[f"{TOLD.upper()}!"]) == [text(0, 6)]


def test_of_a_text_that_is_known_throughout_nothing_is_left(rows):
    assert own(
        rows, [TOLD.upper(), "Write a note.", "Write a note!", "Write a long note."], known=[TOLD, "write a note"]
    ) == [
        "",
        "",
        "",
        "Write a long note.",
    ]


def test_where_all_words_are_common_the_rarest_stay(text):
    told = [text(f"template {n}", 12) for n in range(40)]
    documents = [text(f"document {n}", 12) for n in range(120)]
    rows = [f"{template}: {document}" for template in told for document in documents]
    # Each document stands in 40 texts, each template in 120; a sequence of either is common.
    assert own(rows, [rows[0]], common=10) == [documents[0]]


def test_a_text_that_repeats_itself_makes_nothing_common(text):
    loop = " ".join([text("loop", 6)] * 40)
    assert own([loop], [loop]) == [loop]


def test_case_punctuation_and_white_space_do_not_count(rows, text):
    asked = f"  {TOLD.title()} —\n {text(0, 6).upper()} !"
    assert own(rows, [asked]) == [text(0, 6)]


def test_characters_of_scripts_without_spaces_are_words():
    told = "请用一句话概括下面这段文字的主要内容"
    rows = [f"{told}：{chr(0x4E00 + 40 * n)}{chr(0x4E01 + 40 * n)}{chr(0x4E02 + 40 * n)}" for n in range(20)]
    assert own(rows, rows[:1]) == ["一 丁 丂"]


def test_signs_of_arithmetic_are_words():
    rows = [f"{TOLD}: {n} + {n + 100} * {n + 200} - {n + 300}" for n in range(20)]
    assert own(rows, rows[7:8]) == ["7 + 107 * 207 - 307"]


@given(st.lists(st.lists(st.sampled_from(["sea", "map", "oar", "tin"]), max_size=12).map(" ".join), max_size=8))
def test_texts_that_are_in_few_rows_keep_every_word(texts):
    assert own(list(dict.fromkeys(texts)), texts, common=50) == texts


def test_no_texts_give_no_texts():
    assert own([], []) == []
    assert own(["a b"], ["", None]) == ["", ""]
