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

from instructkit.minhash.sketcher import Sketcher
from instructkit.text.normalise import Ignorable, normalised
from instructkit.text.words import runs

SEQUENCE = 5
"""Words in a sequence: the shingles that texts are compared by have as many."""
IGNORE: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
"""As `dedupe.minhash` and `group.near` compare by default."""
COMMON = 50
"""Different texts that a sequence must stand in. A document has seldom so many near-copies, a template seldom fewer
rows: SQuAD asks 5 questions of a passage on average, 25 at most of nearly all of them."""
TABLE_BITS = 24
"""The count of a sequence stands at the upper bits of its hash: 64 MB."""
KNOWN = np.iinfo(np.int32).max
"""Count of a sequence that is known to be nobody's own."""
MOST_SEQUENCES = 1 << 26
"""Of the texts that are counted; of more texts a part is. So many raise each other's counts by 4 on average."""

Counts = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]


class CommonText:
    """How many texts each sequence of words stands in."""

    def __init__(self, common: int = COMMON) -> None:
        """`common`: least number of texts that makes a sequence common."""
        self.common = common
        self._any_known = False
        self._counts: Counts = np.zeros(1 << TABLE_BITS, dtype=np.uint32)
        self._sketcher = Sketcher(unit="words", shingle=SEQUENCE, ignore=IGNORE, bands=1, rows=1, seed=0)

    def add(self, texts: pl.Series) -> None:
        """Count texts (String), each different from all others that are added. Sequences count once a text."""
        np.add.at(self._counts, _places(self._sketcher.shingle_sets(texts).hashes), 1)

    def add_known(self, texts: Sequence[str]) -> None:
        """Take all sequences of these texts for common: the literal text of templates, say.

        A text of fewer words than a sequence has is known where it is all that a text says.
        """
        known = self._sketcher.shingle_sets(pl.Series(texts, dtype=pl.String))
        self._counts[_places(known.hashes)] = KNOWN
        self._any_known |= len(known.hashes) > 0

    def is_known(self, texts: pl.Series) -> pl.Series:
        """Whether each text (String) says nothing but what is known."""
        found = self._sketcher.shingle_runs(texts)
        unknown = np.concatenate([[0], np.cumsum(self._counts[_places(found.hashes)] != KNOWN)])
        return pl.Series(unknown[found.starts[1:]] == unknown[found.starts[:-1]]) & pl.Series(found.units > 0)

    def own(self, texts: pl.Series, common: int | None = None) -> pl.Series:
        """What each text (String) has of its own: words that stand in no common sequence, joined by spaces.

        `common`: texts that make a sequence common here, where it is not as it was given at first.

        A text without a common sequence stays as it is, and so does one of fewer words than a sequence has; of one that
        is known from its first word to its last nothing is left.
        """
        texts = texts.fill_null("")
        if self._any_known:
            texts = texts.zip_with(~self.is_known(texts), pl.repeat("", len(texts), eager=True))
        found = self._sketcher.shingle_runs(texts)
        counts = self._counts[_places(found.hashes)]
        units = found.units.astype(np.int64)
        most = np.zeros(len(texts), dtype=np.uint32)
        some = np.diff(found.starts) > 0
        if some.any():
            most[some] = np.maximum.reduceat(counts, found.starts[:-1][some])
        common = self.common if common is None else common
        rows = np.flatnonzero((most >= common) & (units >= SEQUENCE))
        if not len(rows):
            return texts
        chosen = pl.DataFrame({"text": texts.gather(rows)})
        words = chosen.select(runs(normalised(pl.col("text"), IGNORE)).alias("words"))["words"]
        # In a few rare characters the kernels see another word than the expression does: nothing is taken away there.
        alike = words.list.len().to_numpy() == units[rows]
        rows, words = rows[alike], words.filter(pl.Series(alike))
        kept = self._rarest(words, units[rows], _gathered(counts, found.starts, rows), common)
        return texts.clone().scatter(rows, kept) if len(rows) else texts

    def _rarest(self, words: pl.Series, units: Places, counts: Counts, common: int) -> pl.Series:
        """The words (List(String)) of each text that stand in no common sequence, joined.

        `units`: words of each text. `counts`: of the texts' sequences on end, `units` - `SEQUENCE` + 1 of each.
        """
        often = _covering(counts, units)
        bounds = np.concatenate([[0], np.cumsum(units)])
        rarest = np.minimum.reduceat(often, bounds[:-1]) if len(units) else often
        limits = np.maximum(common, 2 * rarest.astype(np.int64) + 1)
        text_of = np.repeat(np.arange(len(units)), units)
        mine = often < limits[text_of]
        flat = words.explode(empty_as_null=False, keep_nulls=False)
        kept = pl.DataFrame({"text": text_of[mine], "word": flat.filter(pl.Series(mine))})
        # Every text keeps some: at least its rarest.
        return kept.group_by("text", maintain_order=True).agg(pl.col("word").str.join(" "))["word"]


def _places(hashes: npt.NDArray[np.uint64]) -> Places:
    """Where the counts of sequences stand."""
    return (hashes >> np.uint64(64 - TABLE_BITS)).astype(np.int64)


def _gathered(counts: Counts, starts: Places, rows: Places) -> Counts:
    """The counts of some texts' sequences on end; `starts` says where each text's begin."""
    sizes = starts[rows + 1] - starts[rows]
    ends = np.cumsum(sizes)
    places = np.repeat(starts[rows] - ends + sizes, sizes) + np.arange(ends[-1] if len(ends) else 0)
    found: Counts = counts[places]
    return found


def _covering(counts: Counts, units: Places) -> Counts:
    """For each word of texts on end the highest count of the sequences that it stands in."""
    often: Counts = np.zeros(int(units.sum()), dtype=np.uint32)
    sizes = units - SEQUENCE + 1
    # Each text has fewer sequences than words, so those of later texts begin further on.
    begins = np.arange(len(counts)) + np.repeat((SEQUENCE - 1) * np.arange(len(units)), sizes)
    for place in range(SEQUENCE):
        at = begins + place
        often[at] = np.maximum(often[at], counts)
    return often
