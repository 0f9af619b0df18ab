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
    text = normalize("NFC", text)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    _, _, properties, folded, _ = sketcher.tables
    known = codes < TABLE_SIZE
    inside = np.where(known, codes, 0)
    seen = np.where(known, properties[inside], ALONE | LETTER)
    read = np.where(known, folded[inside], codes)
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    word, before = "", 0
    for at, (prop, code) in enumerate(zip(seen.tolist(), read.tolist(), strict=True)):
        kind = prop & KIND
        if kind == NOTHING:
            continue
        if kind == HYPHEN:
            joins = before & LETTER and at + 1 < len(seen) and int(seen[at + 1]) & LETTER
            kind = GAP if joins else WORD
        elif kind == DIGIT:
            if before & KIND == DIGIT:
                if word:
                    ends[-1] = at + 1
                continue
            kind, code = WORD, ord("0")
        before = prop
        if kind == WORD:
            if not word:
                starts.append(at)
                ends.append(at + 1)
            word += chr(code)
            ends[-1] = at + 1
            continue
        if word:
            words.append(word)
            word = ""
        if kind == ALONE:
            words.append(chr(code))
            starts.append(at)
            ends.append(at + 1)
    if word:
        words.append(word)
    return Spans(words, np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), text)


def holds(words: list[str], run: list[str]) -> bool:
    """Whether a run of words stands among others, whole."""
    size = len(run)
    return any(words[at : at + size] == run for at in range(len(words) - size + 1))
