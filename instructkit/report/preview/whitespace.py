"""Text with signs for what cannot be seen, and wrapped so that a line's own end differs from the terminal's.

mode    spaces at a line's end   tabs   blank lines   inner spaces   odd spaces, controls
ends    ·                        ⇥      ↵             as they are    ⍽ <U+200B> ␛
all     ·                        ⇥      ↵ at each end ·              ⍽ <U+200B> ␛
off     as they are              …      …             …              control characters only: they steer terminals
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from instructkit.report.hunks import CONTROLS

Mode = Literal["ends", "all", "off"]
Piece = tuple[str, str]
"""Text, and a style: "" or what was given with it; `MARK` for a sign that is none of the text."""

MARK = "mark"

TAB = "⇥   "
SPACES = {"\u00a0": "⍽", "\u202f": "⍽", "\u2007": "⍽"}


def marked(text: str | Sequence[Piece], mode: Mode = "ends") -> list[list[Piece]]:
    """The lines of a text, or of pieces with styles of their own, each as pieces, without its line end."""
    given = [(text, "")] if isinstance(text, str) else text
    lines: list[list[Piece]] = [[]]
    for part, style in given:
        first, *more = part.split("\n")
        lines[-1].append((first, style))
        lines += [[(line, style)] for line in more]
    return [list(_line(line, mode, last=number == len(lines))) for number, line in enumerate(lines, 1)]


def _line(line: list[Piece], mode: Mode, last: bool) -> Iterator[Piece]:
    whole = "".join(part for part, _ in line)
    end = len(whole.rstrip(" \t\u3000")) if mode == "ends" else 0
    at = 0
    for part, style in line:
        if mode == "off":
            yield part.translate(CONTROLS).replace("\t", "    "), style
            continue
        plain = ""
        for char in part:
            sign = _sign(char, shown=at >= end)
            at += 1
            if sign is None:
                plain += char
                continue
            if plain:
                yield plain, style
                plain = ""
            yield sign, MARK
        if plain:
            yield plain, style
    if not last and (mode == "all" or (mode == "ends" and not whole.strip())):
        yield "↵", MARK


def _sign(char: str, shown: bool) -> str | None:
    """The sign for a character; None where it is shown as it is."""
    if char == " ":
        return "·" if shown else None
    if char == "\t":
        return TAB
    if char == "\u3000":  # as wide as a Chinese character; begins paragraphs, so it is marked at line ends only
        return "□" if shown else None
    if char.isascii() and char.isprintable():
        return None
    if char in SPACES:
        return SPACES[char]
    if ord(char) in CONTROLS:
        return chr(CONTROLS[ord(char)])
    # Zero-width joiners belong to words of Indic scripts and to emoji.
    if char in "\u200c\u200d" or unicodedata.category(char) not in ("Cf", "Cc", "Zl", "Zp", "Zs"):
        return None
    return f"<U+{ord(char):04X}>"


def wrapped(pieces: Sequence[Piece], width: int) -> list[list[Piece]]:
    """A line's pieces in rows of at most `width` cells, cut after a space or between wide characters if it can be.

    Nothing is left out: the rows joined are the pieces.
    """
    from rich.cells import cell_len

    if cell_len("".join(text for text, _ in pieces)) <= width:
        return [list(pieces)]
    rows, row, used = list[list[Piece]](), list[Piece](), 0
    for word, style in _words(pieces):
        size = cell_len(word.rstrip(" "))
        if used and used + size > width:
            rows.append(row)
            row, used = [], 0
        while size > width:
            cut = _fitting(word, width)
            rows.append([(word[:cut], style)])
            word = word[cut:]
            size = cell_len(word.rstrip(" "))
        if row and row[-1][1] == style:
            row[-1] = (row[-1][0] + word, style)
        else:
            row.append((word, style))
        used += cell_len(word)
    return [*rows, row] if row else rows


def _words(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces cut where a row may end: behind spaces, and on both sides of a wide character."""
    for text, style in pieces:
        word = ""
        for char in text:
            wide = not char.isascii() and unicodedata.east_asian_width(char) in "WF"
            # Punctuation does not begin a row.
            stays = wide and unicodedata.category(char) in ("Po", "Pe", "Pf")
            if word and not stays and (wide or (word[-1] == " " and char != " ") or _is_wide(word[-1])) and char != " ":
                yield word, style
                word = ""
            word += char
        if word:
            yield word, style


def _is_wide(char: str) -> bool:
    return not char.isascii() and unicodedata.east_asian_width(char) in "WF"


def _fitting(word: str, width: int) -> int:
    """How many characters of a word fit, at least one."""
    from rich.cells import cell_len

    used = 0
    for at, char in enumerate(word):
        used += cell_len(char)
        if used > width:
            return max(at, 1)
    return len(word)
