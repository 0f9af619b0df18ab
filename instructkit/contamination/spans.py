"""The words of a text as the kernels cut them, with their places: for the few texts that are shown."""

from __future__ import annotations

from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from instructkit.minhash.code_points import ALONE, DIGIT, GAP, HYPHEN, KIND, LETTER, NOTHING, TABLE_SIZE, WORD
from instructkit.minhash.sketcher import Sketcher


class Spans(NamedTuple):
    """Words of a text."""

    words: list[str]
    """As they read to a comparison."""
    starts: npt.NDArray[np.int64]
    """First character of each, in the text brought to NFC."""
    ends: npt.NDArray[np.int64]
    """One past the last."""
    text: str
    """The text in NFC."""


def spans_of(sketcher: Sketcher, text: str) -> Spans:
    """The words of a text. The sketcher's unit must be words."""
    text = text if text.isascii() else normalize("NFC", text)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    _, _, properties, folded, _ = sketcher.tables
    known = codes < TABLE_SIZE
    inside = np.where(known, codes, 0)
    seen = np.where(known, properties[inside], ALONE | LETTER)
    read = np.where(known, folded[inside], codes)
    before_letter = np.zeros(len(seen), dtype=np.bool_)  # even where that is passed over
    before_letter[:-1] = seen[1:] & LETTER != 0
    at = np.flatnonzero(seen & KIND != NOTHING)
    seen, before_letter, read = seen[at], before_letter[at], read[at]
    kind = seen & KIND
    before = np.concatenate([[0], seen[:-1]]) if len(seen) else seen
    parts = (kind == HYPHEN) & (before & LETTER != 0) & before_letter
    digit = kind == DIGIT
    read[digit] = ord("0")
    again = digit & (before & KIND == DIGIT)
    kind[digit | (kind == HYPHEN)] = WORD
    kind[parts] = GAP
    word, alone = kind == WORD, kind == ALONE
    opens, closes = alone.copy(), alone.copy()
    opens[:1] |= word[:1]
    opens[1:] |= word[1:] & ~word[:-1]
    closes[-1:] |= word[-1:]
    closes[:-1] |= word[:-1] & ~word[1:]
    said = read[~again].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    places = np.cumsum(~again)
    begins, ends = (places[opens] - 1).tolist(), places[closes].tolist()
    return Spans([said[b:e] for b, e in zip(begins, ends, strict=True)], at[opens], at[closes] + 1, text)


def holds(words: list[str], run: list[str]) -> bool:
    """Whether a run of words stands among others, whole."""
    size = len(run)
    return any(words[at : at + size] == run for at in range(len(words) - size + 1))
