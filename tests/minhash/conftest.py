"""Texts that are hard to cut, both forms of the kernels, and what a sketch is in plain Python."""

import unicodedata
from contextlib import ExitStack, contextmanager
from importlib import import_module
from itertools import combinations
from unittest.mock import patch

import hypothesis.strategies as st
import polars as pl
import pytest

from instructkit.minhash.sketcher import Sketcher

IGNORABLES = ("case", "punctuation", "digits", "whitespace", "diacritics")
PIECES = [
    *"aabB  \t\n,.!'_*/%&#@\\—。",
    *["\r\n", "-", "-", "a-b", "1-2", "don't", "tide", "ﬁ", "1", "٣", "๑", "०", "x²", "\u00a0", "\u3000", "\u2028"],
    *[
        "é",
        "e\u0301",
        "ǖ",
        "ệ",
        "\u0301",
        "\u0345",
        "q\u0308",
        "Å",
        "\u212b",
        "İ",
        "I",
        "i\u0307",
        "ς",
        "σ",
        "Σ",
        "ß",
        "ẞ",
    ],
    *[
        "月",
        "亮",
        "\uf900",
        "か",
        "が",
        "か\u3099",
        "カ",
        "ก",
        "กี",
        "ລ",
        "한",
        "\u1112\u1161\u11ab",
        "\u11ab",
        "й",
        "क़",
        "\u0958",
    ],
    *["\u200b", "\u200d", "\ufeff", "\x00", "\x1f", "\x7f", "\u0085", "\ufffd", "\U0010ffff", "\U000e0100"],
    *["😀", "👩‍👧", "𝒜", "𐐀", "\U00020000", "\U0002f800", "\U00030000", "\U00016d67"],
]
"""Characters and runs of each kind that any rule speaks of."""


@pytest.fixture(scope="session")
def texts():
    """Strategy: texts from the hard pieces, or none at all."""
    return st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.none())


@pytest.fixture(scope="session")
def any_texts(texts):
    """Strategy: those, and texts of anything. Python and polars need not know the same version of Unicode."""
    return st.one_of(texts, texts, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@pytest.fixture(scope="session")
def ignorables():
    """Every choice of what to ignore."""
    return [c for n in range(len(IGNORABLES) + 1) for c in combinations(IGNORABLES, n)]


@pytest.fixture(scope="session")
def sketchers():
    """Strategy: sketchers of every kind."""
    return st.builds(
        Sketcher,
        unit=st.sampled_from(["words", "characters"]),
        shingle=st.one_of(st.integers(1, 6), st.integers(1, 100)),
        ignore=st.lists(st.sampled_from(IGNORABLES), unique=True).map(tuple),
        bands=st.integers(1, 70),
        rows=st.integers(1, 3),
        seed=st.integers(0, 2**40),
    )


@pytest.fixture(scope="session")
def using():
    """Context in which the engine runs on the kernels of the name given."""

    @contextmanager
    def context(name):
        module = import_module(f"instructkit.minhash.{name}")
        with ExitStack() as stack:
            for user in ("sketcher", "verify", "clusters", "duplicates"):
                stack.enter_context(patch(f"instructkit.minhash.{user}.kernels", lambda: module))
            yield module

    return context


WHITE_SPACE = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
UNSPACED_NAMES = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI", "LAO")


def is_letter(character):
    return unicodedata.category(character)[0] == "L" or 0x20000 <= ord(character) < 0x40000


def is_diacritic(character):
    return any(
        first <= ord(character) <= last
        for first, last in [(0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)]
    )


def is_alone(character):
    return 0x20000 <= ord(character) < 0x40000 or unicodedata.name(character, "").startswith(UNSPACED_NAMES)


def read_as(character, ignore):
    """One character as a comparison reads it."""
    if "case" in ignore:
        character = {"İ": "i", "ς": "σ"}.get(character, character.lower())
    if "diacritics" in ignore:
        bare = "".join(c for c in unicodedata.normalize("NFD", character) if not is_diacritic(c))
        character = unicodedata.normalize("NFC", bare)
    return character


@pytest.fixture(scope="session")
def units_of():
    """units_of(text, unit, ignore): the units of a text as a list of strings, a character at a time.

    Alike `words.runs` of `normalise.normalised`, with these differences. A hyphen before a mark that does not count
    stays ("a-\u0301b"). i with a dot of its own is İ in lower case only where diacritics do not count.
    """

    def units(text, unit, ignore):
        text = pl.Series([text or ""]).str.normalize("NFC").item()  # by newer tables than Python's own
        cut = []  # characters, and None for a gap
        before = ""  # the last character that counted
        for place, character in enumerate(text):
            if "diacritics" in ignore and is_diacritic(character):
                continue
            space = character in WHITE_SPACE and (unit == "words" or "whitespace" in ignore)
            punctuation = "punctuation" in ignore and unicodedata.category(character)[0] == "P"
            after = text[place + 1 : place + 2]
            joins = character == "-" and before and is_letter(before) and after and is_letter(after)
            if "digits" in ignore and unicodedata.category(character) == "Nd":
                if not (before and unicodedata.category(before) == "Nd"):
                    cut.append("0")
            elif space or (punctuation and (character not in "*/%&#@\\-" or joins)):
                cut.append(None)
            else:
                cut.append(read_as(character, ignore))
            before = character
        if unit == "characters":
            return characters(cut)
        return words(cut)

    def characters(cut):
        found = []
        gap = False
        for character in cut:
            if character is None:
                gap = True
                continue
            if gap and found:
                found.append(" ")
            found.append(character)
            gap = False
        return found

    def words(cut):
        found = []
        word = ""
        for character in [*cut, None]:
            alone = character is not None and is_alone(character)
            if (character is None or alone) and word:
                found.append(word)
                word = ""
            if alone:
                found.append(character)
            elif character is not None:
                word += character
        return found

    return units
