"""What each Unicode character is to a comparison: part of a word, a word of its own, a gap, or nothing at all.

    t i d e s   ,      月 亮    -         é
    WORD        GAP    ALONE    HYPHEN    WORD, and reads as e where diacritics do not count

The tables cover the first two planes, where nearly all text is; the kernels rule the others. They are made with the
regular expressions of `text.words` and `text.normalise`, so that a word is a word everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.text.normalise import DIACRITICS, PUNCTUATION, Ignorable
from instructkit.text.words import UNSPACED

TABLE_SIZE = 0x20000
"""Code points with an entry."""
UNSPACED_PLANES_END = 0x40000
"""The second and third supplementary planes are Han; what is beyond them are no letters."""
COMPATIBILITY = 0x2F800
"""From here to 0x2FA1F lie characters that NFC makes others of; in planes 2 and 3 there are none beside."""

GAP, WORD, ALONE, DIGIT, HYPHEN, NOTHING = range(6)
"""Kinds. GAP parts words. ALONE is a word by itself (scripts written without spaces). DIGIT: its run reads as one 0.
HYPHEN parts words between two letters only. NOTHING is passed over."""
KIND = 7
"""Mask of the kind within a property."""
LETTER = 8
"""Flag: a letter, as a hyphen looks for."""
UNSURE = 16
"""Flag: a text that holds it may not be in Unicode's form NFC, and must be brought to it before it is cut."""


@dataclass(frozen=True, kw_only=True)
class CodePoints:
    """Properties by code point, for one choice of what is ignored."""

    properties: npt.NDArray[np.uint8]
    """Shape (TABLE_SIZE,): a kind, with flags."""
    folded: npt.NDArray[np.uint32]
    """Shape (TABLE_SIZE,): the code point that it reads as."""


@lru_cache(maxsize=8)
def code_points(ignore: frozenset[Ignorable]) -> CodePoints:
    """The tables for a choice of what is ignored. Without `whitespace` white space is what it is: right for characters
    as units only.
    """
    table = _unicode()
    folded = table["lower" if "case" in ignore else "character"]
    kind = np.full(TABLE_SIZE, WORD, dtype=np.uint8)
    kind[table["alone"]] = ALONE
    if "punctuation" in ignore:
        kind[table["punctuation"]] = GAP
        kind[ord("-")] = HYPHEN
    if "digits" in ignore:
        kind[table["digit"]] = DIGIT
    kind[table["space"]] = GAP if "whitespace" in ignore else WORD
    if "diacritics" in ignore:
        bare = folded.str.normalize("NFD").str.replace_all(DIACRITICS, "").str.normalize("NFC")
        kind[bare == ""] = NOTHING
        folded = pl.select(pl.when(bare != "").then(bare).otherwise(folded)).to_series()
    kind[table["letter"]] |= LETTER
    kind[table["unsure"]] |= UNSURE
    return CodePoints(properties=kind, folded=_first_code_point(table["character"], folded))


@lru_cache(maxsize=1)
def _unicode() -> pl.DataFrame:
    c = pl.col("character")
    code = pl.int_range(pl.len())
    # Parts of Hangul syllables, and the one vowel of Kirat Rai, that join what is before them and are no marks.
    joins = code.is_between(0x1161, 0x1175) | code.is_between(0x11A8, 0x11C2) | (code == 0x16D67)
    characters = _code_points().tobytes().decode("utf-32-le")
    return pl.DataFrame({"character": list(characters)}).select(
        "character",
        # By itself, a character has no neighbours that a rule could ask for; so the two small sigmas are made one.
        lower=c.str.to_lowercase().replace({"ς": "σ"}),
        space=c.str.contains(r"\s"),
        punctuation=c.str.contains(PUNCTUATION),
        digit=c.str.contains(r"\p{Nd}"),
        letter=c.str.contains(r"\p{L}"),
        alone=c.str.contains(f"[{UNSPACED}]"),
        # NFC changes a character, or joins it to the one before (a mark, or what `joins`).
        unsure=(c.str.normalize("NFC") != c) | c.str.contains(r"\p{M}") | joins,
    )


def _code_points() -> npt.NDArray[np.uint32]:
    """Every code point with an entry; spaces for surrogates, which stand in no text."""
    codes = np.arange(TABLE_SIZE, dtype="<u4")
    codes[0xD800:0xE000] = ord(" ")
    return codes


def _first_code_point(characters: pl.Series, texts: pl.Series) -> npt.NDArray[np.uint32]:
    """The first code point of each text (İ in lower case is two: i, and a dot that is left out). Nearly all texts are
    the characters themselves.
    """
    codes = _code_points()
    rows = (texts != characters).arg_true()
    first = "".join(texts.gather(rows).str.slice(0, 1))
    codes[rows.to_numpy()] = np.frombuffer(first.encode("utf-32-le"), dtype="<u4")
    return codes.astype(np.uint32)
