"""What a text has of its own: without the words that stand in many other texts too.

    Classify the sentiment of this review, answer with one word: A fine boat, dry in any weather.
    ├──── stands in 400 texts: template text, boilerplate ────┤ ├──── its own ────────────────┤

Two rows of one template are alike in nearly all their words and have nothing to do with each other; two rows of one
document are alike in what is their own. So a sequence of words that stands in `common` different texts or more is taken
out, word by word, before texts are compared. Text of templates that is known for certain counts as common anyway.

Where all words of a text are common (a document rendered by a hundred templates), those are its own that are the rarest
in it: what stands in more than twice as many texts as its rarest words is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.text.words import UNSPACED

SEQUENCE = 5
"""Words in a sequence: the shingles that texts are compared by have as many."""
COMMON = 50
"""Different texts that a sequence must stand in. A document has seldom so many near-copies, a template seldom fewer
rows: SQuAD asks 5 questions of a passage on average, 25 at most of nearly all of them."""
TABLE_BITS = 24
"""The count of a sequence stands at the upper bits of its hash: 64 MB."""
MOST_SEQUENCES = 1 << 26
"""Of the texts that are counted; of more texts a part is. So many raise each other's counts by 4 on average."""
TOKEN = rf"[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+|\p{{S}}|[*/%&#@\\-]"
"""Words, characters of scripts without spaces, and signs that carry meaning in arithmetic and code."""
ROLL = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint32]
Bounds = npt.NDArray[np.int64]


class CommonText:
    """How many texts each sequence of words stands in."""

    def __init__(self, common: int = COMMON) -> None:
        """`common`: least number of texts that makes a sequence common."""
        self.common = common
        self._counts: Counts = np.zeros(1 << TABLE_BITS, dtype=np.uint32)

    def add(self, texts: pl.Series) -> None:
        """Count texts (String), each different from all others that are added. Sequences count once a text."""
        words, bounds = _words(texts)
        hashes, owner = _sequences(words, bounds)
        # Sorted by text and place in the table, what stands in a text twice lies side by side. (np.unique would hash,
        # which takes ten times as long.)
        both = owner.astype(np.uint64) << np.uint64(TABLE_BITS) | hashes >> np.uint64(64 - TABLE_BITS)
        both.sort()
        first = np.ones(len(both), dtype=np.bool_)
        first[1:] = both[1:] != both[:-1]
        np.add.at(self._counts, (both[first] & np.uint64((1 << TABLE_BITS) - 1)).astype(np.int64), 1)

    def add_known(self, texts: Sequence[str]) -> None:
        """Take all sequences of these texts for common: the literal text of templates, say."""
        words, bounds = _words(pl.Series(texts, dtype=pl.String))
        hashes, _ = _sequences(words, bounds)
        self._counts[(hashes >> np.uint64(64 - TABLE_BITS)).astype(np.int64)] = np.iinfo(np.int32).max

    def own(self, texts: pl.Series) -> pl.Series:
        """What each text (String) has of its own: words that stand in no common sequence, joined by spaces."""
        tokens = _tokens(texts)
        lengths = tokens.list.len().fill_null(0).to_numpy().astype(np.int64)
        bounds: Bounds = np.concatenate([[0], np.cumsum(lengths)])
        flat = tokens.explode(empty_as_null=False, keep_nulls=False)
        hashes, owner = _sequences(_hashed(flat), bounds)
        counts = self._counts[(hashes >> np.uint64(64 - TABLE_BITS)).astype(np.int64)]
        often = _covering(counts, owner, bounds)
        some = lengths > 0
        rarest = np.full(len(lengths), 0, dtype=np.uint32)
        if some.any():
            rarest[some] = np.minimum.reduceat(often, bounds[:-1][some])
        limits = np.maximum(self.common, 2 * rarest.astype(np.int64) + 1)
        text_of = np.repeat(np.arange(len(lengths)), lengths)
        mine = often < limits[text_of]
        kept = pl.DataFrame({"text": text_of[mine], "word": flat.filter(pl.Series(mine))})
        joined = kept.group_by("text", maintain_order=True).agg(pl.col("word").str.join(" "))
        result = pl.DataFrame({"text": np.arange(len(lengths))}).join(
            joined, on="text", how="left", maintain_order="left"
        )
        return result["word"].fill_null("")


def _tokens(texts: pl.Series) -> pl.Series:
    return texts.fill_null("").str.normalize("NFC").str.to_lowercase().str.extract_all(TOKEN)


def _hashed(words: pl.Series) -> Hashes:
    return words.hash(seed=0).to_numpy()


def _words(texts: pl.Series) -> tuple[Hashes, Bounds]:
    """Hashes of the words of all texts on end, and where each text begins: shapes (words,) and (texts + 1,)."""
    tokens = _tokens(texts)
    lengths = tokens.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = tokens.explode(empty_as_null=False, keep_nulls=False)
    return _hashed(flat), np.concatenate([[0], np.cumsum(lengths)])


def _sequences(words: Hashes, bounds: Bounds) -> tuple[Hashes, Bounds]:
    """Hashes of the sequences of all texts on end, and the text of each: shapes (sequences,).

    A text of fewer words has none.
    """
    if len(words) < SEQUENCE:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    count = len(words) - SEQUENCE + 1
    rolled = np.zeros(count, dtype=np.uint64)
    for place in range(SEQUENCE):
        rolled = rolled * ROLL + words[place : place + count]
    rolled ^= rolled >> np.uint64(32)
    rolled *= np.uint64(0xC4CEB9FE1A85EC53)
    owner = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    inside = owner[:count] == owner[SEQUENCE - 1 :]
    return rolled[inside], owner[:count][inside]


def _covering(counts: Counts, owner: Bounds, bounds: Bounds) -> Counts:
    """For each word the highest count of the sequences that it stands in; 1 where it stands in none."""
    lengths = np.diff(bounds)
    often: Counts = np.ones(int(bounds[-1]), dtype=np.uint32)
    # Where each sequence begins: texts lose their last words, so what comes before in other texts shifts it.
    lost = np.minimum(lengths, SEQUENCE - 1)
    begins = np.arange(len(counts)) + (np.cumsum(lost) - lost)[owner]
    for place in range(SEQUENCE):
        at = begins + place
        often[at] = np.maximum(often[at], counts)
    return often
