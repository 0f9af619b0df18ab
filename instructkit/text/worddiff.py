"""How two texts differ, word by word, and which of the differences a comparison ignored.

    old   The quick  brown fox sat.        equal "The quick", ignored "  " / " ", equal "brown ",
    new   The quick brown FOX slept well.  ignored "fox" / "FOX", equal " ", changed "sat." / "slept well."

The pieces' old sides joined are the old text, their new sides the new one, to the character. Words are those of
`text.words`: in scripts without spaces each character is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec
import polars as pl

from instructkit.text.align import Items, Stretch, align
from instructkit.text.normalise import Ignorable, normalised
from instructkit.text.words import UNSPACED, runs

LONGEST = 64
"""Characters of a word; longer runs (base64, addresses, hashes) are cut into pieces of this length."""

# With the marks of its own: a vowel sign of Thai is drawn on the character that it follows.
TOKEN = rf"\s+|[{UNSPACED}]\p{{M}}*|[^\s{UNSPACED}]{{1,{LONGEST}}}"


Kind = Literal["equal", "ignored", "changed"]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A part of both texts."""

    kind: Kind
    """`ignored`: different, but not to who compared."""
    old: str
    """"" where the new text has something more."""
    new: str
    """"" where the old text has something more."""


def word_diff(old: str, new: str, ignore: Sequence[Ignorable] = ()) -> list[Piece]:
    """The pieces of two texts, in order. `ignore`: differences that do not count, as `normalised` has them.

    Bounded work, some seconds for texts of a million words: two long texts that have little in common may be aligned
    less well than they could be.
    """
    one, other = _Words(old), _Words(new)
    stretches = align(*_keys(one.words, other.words, ignore))
    parts: list[_Part] = []
    i = j = 0
    for stretch in [*_without_chance(stretches, one.count, other.count), Stretch(one.count, other.count, 0)]:
        parts.append(_Part(one.between(i, stretch.old), other.between(j, stretch.new)))
        parts += _stretch(one, other, stretch)
        i, j = stretch.old + stretch.size, stretch.new + stretch.size
    return _pieces(parts, ignore)


def tokens(text: str) -> list[str]:
    """The text cut into words and the spaces between them; joined they are the text."""
    found: list[str] = pl.Series([text], dtype=pl.String).str.extract_all(TOKEN).to_list()[0]
    return found


class _Part(NamedTuple):
    old: str
    new: str


class _Words:
    """The words of a text, and where they are."""

    def __init__(self, text: str) -> None:
        self.text = text
        parts = pl.Series(tokens(text), dtype=pl.String)
        ends = parts.str.len_chars().cum_sum()
        word = ~parts.str.contains(r"^\s")
        self.words = parts.filter(word)
        self.count = len(self.words)
        self.ends = [0, *ends.filter(word).to_list()]
        self.starts = [*(ends - parts.str.len_chars()).filter(word).to_list(), len(text)]

    def between(self, i: int, j: int) -> str:
        """What stands after the first i words and before word j, counted from 0: only space when i equals j."""
        return self.text[self.ends[i] : self.starts[j]]

    def stretch(self, i: int, j: int) -> str:
        """The words from i to before j, and what is between them."""
        return self.text[self.starts[i] : self.ends[j]]


def _keys(old: pl.Series, new: pl.Series, ignore: Sequence[Ignorable]) -> tuple[Items, Items]:
    """A number for each word, the same for words that count as the same."""
    words = pl.DataFrame({"word": pl.concat([old, new])})
    ranks = words.select(normalised(pl.col("word"), ignore).rank("dense").cast(pl.Int64))["word"].to_numpy()
    return ranks[: len(old)], ranks[len(old) :]


def _without_chance(stretches: list[Stretch], old_words: int, new_words: int) -> list[Stretch]:
    """The stretches without those shorter than the changes on both sides of them.

    An "of the" that two rewritten sentences share tells the eye nothing and tears both apart.
    Source: the semantic cleanup of Fraser's diff-match-patch, which counts characters.
    """
    kept: list[Stretch] = [Stretch(0, 0, 0)]
    for stretch in [*stretches, Stretch(old_words, new_words, 0)]:
        while len(kept) > 1 and kept[-1].size < min(_gap(kept[-2], kept[-1]), _gap(kept[-1], stretch)):
            kept.pop()
        kept.append(stretch)
    return kept[1:-1]


def _gap(before: Stretch, after: Stretch) -> int:
    return max(after.old - before.old - before.size, after.new - before.new - before.size)


def _stretch(one: _Words, other: _Words, stretch: Stretch) -> list[_Part]:
    """A stretch of words that count as the same: whole where it is equal, else each word and each space between."""
    i, j, size = stretch
    whole = _Part(one.stretch(i, i + size), other.stretch(j, j + size)) if size else _Part("", "")
    if whole.old == whole.new:
        return [whole]
    parts = [_Part(one.stretch(i, i + 1), other.stretch(j, j + 1))]
    for n in range(1, size):
        parts.append(_Part(one.between(i + n, i + n), other.between(j + n, j + n)))
        parts.append(_Part(one.stretch(i + n, i + n + 1), other.stretch(j + n, j + n + 1)))
    return parts


def _pieces(parts: list[_Part], ignore: Sequence[Ignorable]) -> list[Piece]:
    """Pieces from parts: neighbours of a kind are one, and the space at the ends of a change is no part of it."""
    ignored = _ignored(list({part for part in parts if part.old != part.new}), ignore)
    found: list[tuple[Kind, _Part]] = []
    for part in parts:
        if part.old == part.new:
            found.append(("equal", part))
        elif ignored[part]:
            # The words of a line in capitals are one difference, not one each.
            if len(found) > 1 and found[-2][0] == "ignored" and _space_in_a_line(found[-1][1].old):
                found[-1] = ("ignored", found[-1][1])
            found.append(("ignored", part))
        else:
            found += _trimmed(part)
    return [
        Piece(kind=kind, old="".join(part.old for _, part in same), new="".join(part.new for _, part in same))
        for kind, group in groupby((each for each in found if any(each[1])), key=lambda each: each[0])
        for same in [list(group)]
    ]


def _space_in_a_line(text: str) -> bool:
    return text.isspace() and "\n" not in text


def _trimmed(part: _Part) -> list[tuple[Kind, _Part]]:
    """A change, and the space that both its sides begin and end with."""
    old, new = part
    head = _shared_space(old, new)
    tail = _shared_space(old[head:][::-1], new[head:][::-1])
    end_old, end_new = len(old) - tail, len(new) - tail
    return [
        ("equal", _Part(old[:head], new[:head])),
        ("changed", _Part(old[head:end_old], new[head:end_new])),
        ("equal", _Part(old[end_old:], new[end_new:])),
    ]


def _shared_space(old: str, new: str) -> int:
    """How many spaces both begin with."""
    n = 0
    while n < min(len(old), len(new)) and old[n] == new[n] and old[n].isspace():
        n += 1
    return n


def _ignored(parts: list[_Part], ignore: Sequence[Ignorable]) -> dict[_Part, bool]:
    """Of each part, whether its sides count as the same: the same words where spaces do not count."""
    table = pl.DataFrame(parts, schema={"old": pl.String, "new": pl.String}, orient="row")
    sides = [normalised(pl.col(name), ignore) for name in table.columns]
    if "whitespace" in ignore:
        sides = [runs(side).list.join(" ") for side in sides]
    same: list[bool] = table.select(same=sides[0] == sides[1])["same"].to_list()
    return dict(zip(parts, same, strict=True))
