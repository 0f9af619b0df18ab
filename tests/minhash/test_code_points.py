"""What the tables of characters must hold, for every character of Unicode that polars knows."""

import numpy as np
import polars as pl
import pytest

from instructkit.minhash.code_points import (
    ALONE,
    COMPATIBILITY,
    KIND,
    LETTER,
    NOTHING,
    TABLE_SIZE,
    UNSPACED_PLANES_END,
    UNSURE,
    code_points,
)
from instructkit.text.normalise import DIACRITICS, PUNCTUATION
from instructkit.text.words import UNSPACED

ALL = frozenset({"case", "punctuation", "digits", "whitespace", "diacritics"})


@pytest.fixture(scope="module")
def characters():
    return pl.Series([chr(c) if not 0xD800 <= c < 0xE000 else " " for c in range(TABLE_SIZE)])


@pytest.fixture(scope="module")
def beyond():
    """The characters that no table has an entry for."""
    return pl.Series([chr(c) for c in range(TABLE_SIZE, 0x110000)])


def test_what_joins_the_character_before_it_raises_doubt(characters, beyond):
    properties = code_points(frozenset()).properties
    parts = {c for d in characters.str.normalize("NFD").to_list() for c in d[1:]}
    assert all(properties[ord(c)] & UNSURE for c in parts)
    changed = np.flatnonzero(characters.str.normalize("NFC") != characters)
    assert (properties[changed] & UNSURE).all()
    assert beyond.str.normalize("NFD").str.len_chars().max() == 1


def test_ascii_raises_no_doubt():
    assert not (code_points(ALL).properties[:128] & UNSURE).any()


def test_beyond_the_tables_the_planes_decide(beyond):
    code = pl.Series(range(TABLE_SIZE, 0x110000))
    for pattern in (r"\p{L}", f"[{UNSPACED}]"):
        assert code.filter(beyond.str.contains(pattern)).max() < UNSPACED_PLANES_END
    assert code.filter(beyond.str.normalize("NFC") != beyond).is_between(COMPATIBILITY, UNSPACED_PLANES_END).all()
    for pattern in (PUNCTUATION, r"\s", r"\p{Nd}", DIACRITICS):
        assert not beyond.str.contains(pattern).any()
    assert beyond.str.to_lowercase().equals(beyond)


def test_a_character_reads_as_one_character(characters):
    bare = characters.str.to_lowercase().str.normalize("NFD").str.replace_all(DIACRITICS, "").str.normalize("NFC")
    longer = characters.filter((bare.str.len_chars() > 1) & (characters.str.normalize("NFC") == characters))
    assert longer.to_list() == []
    assert characters.filter(characters.str.to_lowercase().str.len_chars() > 1).to_list() == ["İ"]


def test_kinds_by_example():
    points = code_points(ALL)
    assert chr(points.folded[ord("É")]) == "e"
    assert chr(points.folded[ord("ς")]) == chr(points.folded[ord("Σ")]) == "σ"
    assert points.properties[0x301] & KIND == NOTHING
    assert points.properties[ord("月")] == ALONE | LETTER
    assert chr(code_points(frozenset()).folded[ord("É")]) == "É"
