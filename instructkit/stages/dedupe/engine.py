"""The MinHash engine, on datasketch: texts to sketches. All that a faster engine would replace is in this file.

Source: Broder, On the resemblance and containment of documents, 1997; datasketch 2.0, scheme affine32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from instructkit.text.normalise import Ignorable, normalised
from instructkit.text.shingles import ShingleSet, shingle_set
from instructkit.text.words import runs

BLOCK = 4096
"""Shingles hashed at a time: the token × permutation matrix stays at 2 MiB for 128 permutations, for any text."""

SKETCH = pl.Schema({"fingerprint": pl.String(), "bands": pl.List(pl.UInt64())})
"""fingerprint: hash of the whole shingle set, equal only for equal sets. bands: the band hashes."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What two texts are compared by, and how finely."""

    unit: str
    shingle: int
    ignore: tuple[Ignorable, ...]
    num_perm: int
    bands: int
    rows: int
    seed: int

    def shingle_sets(self, texts: pl.Series) -> Iterator[ShingleSet]:
        """The shingle set of each text (String, no nulls)."""
        text = normalised(pl.col("text"), self.ignore)
        units = runs(text) if self.unit == "words" else text.str.split("")
        cut = pl.DataFrame({"text": texts}).select("text", units=units)
        for whole, row in zip(cut["text"], cut["units"], strict=True):
            yield shingle_set(row.to_list(), self.shingle, whole)

    def sketch_texts(self, texts: pl.Series) -> pl.DataFrame:
        """Columns of `SKETCH`, a row for each text; 8 bytes a band and 32 for the fingerprint."""
        from datasketch import MinHash

        empty = MinHash(num_perm=self.num_perm, seed=self.seed % 2**32, hashfunc=_low_32_bits, scheme="affine32")
        fingerprints, bands = [], []
        for shingles in self.shingle_sets(texts):
            fingerprints.append(xxhash.xxh3_128_hexdigest(shingles.tobytes()))
            bands.append(self._band_hashes(_minima(empty, shingles)))
        return pl.DataFrame({"fingerprint": fingerprints, "bands": bands}, schema=SKETCH)

    def _band_hashes(self, minima: npt.NDArray[np.uint32]) -> list[int]:
        wide = minima.astype("<u4")
        return [
            xxhash.xxh3_64_intdigest(wide[start : start + self.rows].tobytes())
            for start in range(0, self.bands * self.rows, self.rows)
        ]


def _minima(empty: Any, shingles: ShingleSet) -> npt.NDArray[np.uint32]:
    sketch = empty.copy()
    for start in range(0, len(shingles), BLOCK):
        sketch.update_batch(shingles[start : start + BLOCK].tolist())
    return np.asarray(sketch.digest(), dtype=np.uint32)


def _low_32_bits(shingle: int) -> int:
    return shingle & 0xFFFFFFFF


def band_matrix(bands: pl.Series) -> npt.NDArray[np.uint64]:
    """The `bands` column as an array of shape (texts, bands)."""
    if not len(bands):
        return np.empty((0, 0), dtype=np.uint64)
    return bands.explode().to_numpy().reshape(len(bands), -1)
