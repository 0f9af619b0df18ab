"""How alike wordings are: exact Jaccard similarity of the shingles of words, with what comes from the row masked.

    "Sum up ￼ in one sentence."   sum up | up ￼ | ￼ in | in one | one sentence  two words a shingle
    "用一句话概括：￼"         用一句 | 一句话 | 句话概 | 话概括 | 括 ￼           three characters without spaces

Case and punctuation do not count. Pairs of words, since instructions are short: a changed word of twelve leaves 0.7.
Triples of characters, since "把英文翻译成中文" and "把中文翻译成英文" share most of their pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import polars as pl

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Subject
from instructkit.templates.lint.wording import MASK, NAMED_MASK, Wording, drawn_lists
from instructkit.text.normalise import normalised
from instructkit.text.words import UNSPACED, runs

ALIKE = 0.75
"""Similarity from which on two templates or phrasings count as near-duplicates."""
FEWEST = 5
"""Shingles of a template or phrasing that is compared at all; two of fewer have to be equal."""
FEWEST_WORDS = 4
"""Words of a template that is compared at all: "Question: ￼ Answer:" is no wording that one could repeat. Phrasings of
fewer have to be equal, inputs and all."""

Shingles = frozenset[tuple[str, ...]]


class Pair(NamedTuple):
    """Two wordings that are alike, by their places in the list."""

    one: int
    other: int
    similarity: float


def shingles(texts: Sequence[str]) -> list[Shingles]:
    """The shingles of each text; of a single word that word."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    words = frame.select(runs(normalised(pl.col("text"), ("case", "punctuation", "whitespace"))).alias("words"))[
        "words"
    ]
    unspaced = words.list.eval(pl.element().str.contains(f"^[{UNSPACED}]$"))
    return [frozenset(_shingles(w, u)) for w, u in zip(words.to_list(), unspaced.to_list(), strict=True)]


def _shingles(words: list[str], unspaced: list[bool]) -> Iterator[tuple[str, ...]]:
    if len(words) == 1:
        yield (words[0],)
    for i in range(len(words) - 1):
        # A shingle that begins with two characters without spaces has a third; at a text's end there may be none.
        yield tuple(words[i : i + (3 if unspaced[i] and unspaced[i + 1] else 2)])


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared shingles over all shingles of the two; 0 for two empty ones."""
    return len(one & other) / len(one | other) if one or other else 0.0


def alike(sets: Sequence[Shingles], threshold: float = ALIKE) -> list[Pair]:
    """All pairs of the threshold or more, of sets that are large enough to be compared.

    Exact. Two sets of similarity t share one of the |A| - ceil(t|A|) + 1 rarest shingles of each: only such pairs are
    compared. Source: prefix filtering, Bayardo, Ma, Srikant, Scaling Up All Pairs Similarity Search, WWW 2007.
    """
    frequency = Counter(shingle for each in sets for shingle in each)
    index: dict[tuple[str, ...], list[int]] = {}
    pairs = []
    for i, mine in enumerate(sets):
        rare = sorted(mine, key=lambda shingle: (frequency[shingle], shingle))
        # The product of floats may lie a bit above the whole number that it is.
        prefix = rare[: len(mine) - ceil(threshold * len(mine) - 1e-9) + 1]
        candidates = {j for shingle in prefix for j in index.get(shingle, ())}
        for j in sorted(candidates):
            similarity = jaccard(mine, sets[j])
            fewest = min(len(mine), len(sets[j]))
            if similarity >= threshold and (fewest >= FEWEST or similarity == 1):
                pairs.append(Pair(j, i, similarity))
        for shingle in prefix:
            index.setdefault(shingle, []).append(i)
    return pairs


def template_shingles(subject: Subject) -> Shingles:
    """The shingles of a template's own words, no shingle over two pieces; empty where it has few words."""
    pieces = [wording.text for wording in subject.wordings]
    if _is_short(pieces):
        return frozenset()
    return frozenset[tuple[str, ...]]().union(*shingles(pieces))


def _is_short(pieces: Sequence[str]) -> bool:
    pieces = [NAMED_MASK.sub(MASK, piece) for piece in pieces]
    words = sum(any(map(str.isalpha, word)) for piece in pieces for word in piece.split())
    characters = sum(not char.isascii() and char.isalpha() for piece in pieces for char in piece)
    return words < FEWEST_WORDS and characters < FEWEST_WORDS


def similar_phrasings(subject: Subject) -> Iterator[Hit]:
    """Phrasings, and items that `choice` draws from, that are nearly the same."""
    groups = [[(f"phrasing '{given.name}'", Wording(text, given.line)) for given, text in subject.phrasings]]
    for block in subject.blocks:
        for items in drawn_lists(block.node.body):
            groups.append([(f"{NAMED_MASK.sub('…', wording.text)!r}", wording) for wording in items])
    for group in groups:
        texts = [wording.text for _, wording in group]
        for pair in alike(shingles(texts)):
            (one, _), (other, wording) = group[pair.one], group[pair.other]
            # Two of few words that print the same inputs are alike by these; only what is equal is told of them.
            if pair.similarity < 1 and (_is_short([texts[pair.one]]) or _is_short([texts[pair.other]])):
                continue
            how = "but for case and punctuation the same" if pair.similarity == 1 else f"{pair.similarity:.2f} alike"
            yield Hit(wording.line, 0, f"{other} and {one} are {how}; word one differently or remove it")
