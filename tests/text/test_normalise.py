import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.text.normalise import composed, normalised

ALL = ("case", "punctuation", "digits", "whitespace", "diacritics")


def of(text, ignore=("case", "punctuation", "whitespace")):
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(normalised(pl.col("text"), ignore)).item()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, world!", "hello   world"),
        ("well-known", "well known"),
        ("state-of-the-art a-b-c-d", "state of the art a b c d"),
        ("ΟΔΟΣ", "οδος"),
        ("İstanbul", "istanbul"),
        ("“quoted”", '"quoted"'),
        ("cafe\u0301", "caf\u00e9"),
        ("月亮。潮汐！", "月亮，潮汐"),
    ],
)
def test_what_does_not_count_is_gone(one, other):
    assert of(one) == of(other)


@pytest.mark.parametrize(("one", "other"), [("6 * 2", "6 / 2"), ("6 - 2", "6 + 2"), ("3.14", "314"), ("a 1", "a 2")])
def test_what_counts_stays(one, other):
    assert of(one) != of(other)


def test_diacritics_are_gone_when_ignored_and_vowel_signs_are_not():
    assert of("Crème brûlée", ALL) == of("creme brulee", ALL)
    assert of("Crème") != of("creme")
    assert of("กา", ALL) != of("ก", ALL)


def test_digits_are_alike_when_ignored():
    assert of("page 12 of 340", ALL) == of("Page 7 of 9", ALL)


@given(st.text(max_size=40))
def test_nothing_ignored_is_the_text_in_nfc(text):
    assert of(text, ()) == unicodedata.normalize("NFC", text)


def test_null_stays_null():
    assert of(None, ALL) is None


def test_the_texts_that_are_composed_stay_as_they_were():
    texts = pl.Series(["plain", "cafe\u0301", None])
    assert composed(texts).to_list() == ["plain", "caf\u00e9", None]
    assert texts.to_list() == ["plain", "cafe\u0301", None]
