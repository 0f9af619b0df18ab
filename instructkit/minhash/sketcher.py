"""From texts to sketches and shingle sets: what two texts are compared by, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any, Literal, NamedTuple
from unicodedata import is_normalized

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.minhash.code_points import GAP, KIND, WORD, code_points
from instructkit.minhash.constants import BASE, VALUE
from instructkit.text.normalise import Ignorable

Unit = Literal["words", "characters"]

Texts = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""UTF-8 bytes of texts on end, and where each begins: shapes (bytes,) and (texts + 1,)."""


MOST_BITS = 128
"""Minima of which a sketch keeps a bit."""


class Sketches(NamedTuple):
    """Sketches of texts, by column."""

    units: npt.NDArray[np.uint32]
    """Shape (texts,): words or characters in each."""
    fingerprints: npt.NDArray[np.uint64]
    """Shape (2, texts): 128-bit hash of the units in order. Equal fingerprints, equal shingle sets."""
    bits: npt.NDArray[np.uint64]
    """Shape (words of 64, texts): one mixed bit of each of the first minima, at most 128."""
    bands: npt.NDArray[np.uint64]
    """Shape (bands, texts): band hashes."""


class ShingleSets(NamedTuple):
    """Distinct shingle hashes of texts on end, and where each text's begin: shapes (shingles,) and (texts + 1,)."""

    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]


class ShingleRuns(NamedTuple):
    """All shingle hashes of texts in their order, repeats too, and where each text's begin: shapes (shingles,) and
    (texts + 1,). A text of fewer units than a shingle has gives one of all that it has, a text without any none.
    """

    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    units: npt.NDArray[np.uint32]
    """Shape (texts,): words or characters in each."""


@dataclass(frozen=True, kw_only=True)
class Sketcher:
    """What texts are compared by: shingles of `shingle` units, with what is in `ignore` not counting."""

    unit: Unit
    shingle: int
    """Units in a shingle, 1 to 100."""
    ignore: tuple[Ignorable, ...]
    bands: int
    rows: int
    """Minima in a band. bands * rows permutations are kept in all."""
    seed: int
    """Of the permutations."""
    missed: float = 1e-5
    """See `Banding`; it changes which pairs are verified, no sketch."""

    @property
    def bits(self) -> int:
        """Minima of which a sketch keeps a bit."""
        return min(self.bands * self.rows, MOST_BITS)

    def sketch(self, texts: pl.Series) -> Sketches:
        """Sketches of texts (String; null counts as empty). 36 bytes a text and 8 a band."""
        sketches, _ = self._sketch(texts, whole=False)
        return sketches

    def signatures(self, texts: pl.Series) -> npt.NDArray[np.uint32]:
        """The minima themselves, shape (texts, bands * rows): what datasketch calls hashvalues, in scheme affine32 with
        the same number of permutations and the same seed, over the upper 32 bits of the hashes in `shingle_sets`.
        """
        _, minima = self._sketch(texts, whole=True)
        return minima

    def shingle_sets(self, texts: pl.Series) -> ShingleSets:
        """The shingle set of each text (String; null counts as empty). 8 bytes a shingle."""
        data, offsets = buffers(texts)
        hashes = np.empty(len(data) + len(texts), dtype=np.uint64)  # memory is only taken where it is written
        starts = np.empty(len(texts) + 1, dtype=np.int64)
        doubt = np.empty(len(texts), dtype=np.bool_)
        kernels().shingle_sets(data, offsets, self.tables, self.shingle, hashes, starts, doubt)
        rows, composed = _composed(texts, doubt)
        if len(rows):
            return self.shingle_sets(texts.clone().scatter(rows, composed))  # scatter writes into what it is called on
        return ShingleSets(hashes[: starts[-1]], starts)

    def shingle_runs(self, texts: pl.Series) -> ShingleRuns:
        """All shingles of each text in their order (String; null counts as empty). 8 bytes a shingle."""
        data, offsets = buffers(texts)
        hashes = np.empty(len(data) + len(texts), dtype=np.uint64)  # memory is only taken where it is written
        starts = np.empty(len(texts) + 1, dtype=np.int64)
        units = np.empty(len(texts), dtype=np.uint32)
        doubt = np.empty(len(texts), dtype=np.bool_)
        kernels().shingle_runs(data, offsets, self.tables, self.shingle, hashes, starts, units, doubt)
        rows, composed = _composed(texts, doubt)
        if len(rows):
            return self.shingle_runs(texts.clone().scatter(rows, composed))  # scatter writes into what it is called on
        return ShingleRuns(hashes[: starts[-1]], starts, units)

    def _sketch(self, texts: pl.Series, *, whole: bool) -> tuple[Sketches, npt.NDArray[np.uint32]]:
        data, offsets = buffers(texts)
        count = len(texts)
        result = Sketches(
            np.empty(count, dtype=np.uint32),
            np.empty((2, count), dtype=np.uint64),
            np.empty(((self.bits + 63) // 64, count), dtype=np.uint64),
            np.empty((self.bands, count), dtype=np.uint64),
        )
        a, b = self.permutations
        minima = np.empty((count if whole else 0, len(a)), dtype=np.uint32)
        doubt = np.empty(count, dtype=np.bool_)
        kernels().sketch(
            data, offsets, self.tables, self.shingle, a, b, *result[:3], minima, result.bands, self.rows, doubt
        )
        rows, composed = _composed(texts, doubt)
        if len(rows):
            again, theirs = self._sketch(composed, whole=whole)
            result.units[rows] = again.units
            result.fingerprints[:, rows] = again.fingerprints
            result.bits[:, rows] = again.bits
            result.bands[:, rows] = again.bands
            minima[rows if whole else slice(0)] = theirs
        return result, minima

    @cached_property
    def permutations(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Factors and summands of each permutation x -> a*x + b modulo 2^32, as datasketch's affine32 draws them."""
        draw = np.random.RandomState(self.seed % 2**32)
        count = self.bands * self.rows
        a = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        return a, draw.randint(0, 1 << 32, count, dtype=np.uint32)

    @cached_property
    def tables(self) -> tuple[Any, ...]:
        """What the kernels look characters up in; the first two are a short cut for ASCII, by byte:
        what the polynomial is multiplied with (1: no short cut) and what is added to it.
        """
        words = self.unit == "words"
        points = code_points(frozenset(self.ignore) | ({"whitespace"} if words else set()))
        kinds = points.properties[:256] & KIND
        easy = ((kinds == GAP) | (kinds == WORD)) & (np.arange(256) < 0x80) & words
        base = np.where(easy, np.where(kinds == WORD, BASE, np.uint64(0)), np.uint64(1))
        value = np.where(kinds == WORD, (points.folded[:256].astype(np.uint64) + np.uint64(1)) * VALUE, np.uint64(0))
        return base, value, points.properties, points.folded, not words


def buffers(texts: pl.Series) -> Texts:
    """The Arrow buffers of texts (String; null counts as empty), in one piece."""
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(texts.str.len_bytes().fill_null(0).to_numpy(), out=offsets[1:])
    octets = texts.cast(pl.Binary).cast(pl.List(pl.UInt8)).explode(empty_as_null=False, keep_nulls=False).to_numpy()
    octets.flags.writeable = False  # of one piece it is so anyway, and numba compiles for each kind of array
    return octets, offsets


def _composed(texts: pl.Series, doubt: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], pl.Series]:
    """Which of the texts in doubt are not in NFC, and these brought to it."""
    rows = np.flatnonzero(doubt)
    # Few are in doubt and fewer need it: a call of polars for each block of texts would take longer than looking.
    differ = [not is_normalized("NFC", text or "") for text in texts.gather(rows).to_list()] if len(rows) else []
    rows = rows[np.array(differ, dtype=np.bool_)]
    return rows, texts.gather(rows).str.normalize("NFC") if len(rows) else texts.clear()


@lru_cache(maxsize=1)
def kernels() -> ModuleType:
    """The compiled kernels; the same in NumPy, some ten times slower, where numba or one for this NumPy is missing."""
    try:
        import numba  # noqa: F401  refuses to be imported beside a NumPy that is newer than it knows
    except ImportError:
        from instructkit.minhash import numpy_kernels

        return numpy_kernels
    from instructkit.minhash import kernels as compiled

    return compiled
