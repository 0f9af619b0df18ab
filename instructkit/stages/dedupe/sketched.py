"""Sketches as columns of a frame, and a sketched corpus whose rows the engine knows by number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.minhash.duplicates import RowNumbers, Standing
from instructkit.minhash.sketcher import ShingleSets, Sketcher
from instructkit.minhash.threads import in_threads
from instructkit.text.view import View, view

UNITS_AT_ONCE = 2_000_000
"""Words of texts that are read and cut into shingles at a time, as far as the mean length tells."""
MOST_TEXTS = 4_096
"""Texts of a chunk, at most."""
FINGERPRINTS = ["fingerprint_0", "fingerprint_1"]


def band(number: int) -> str:
    """Name of the column of a band's hashes."""
    return f"band_{number:03}"


def bits(names: Iterable[str]) -> list[str]:
    """Those of some columns that hold bits of the minima."""
    return [name for name in names if name.startswith("bits_")]


def sketch_columns(sketcher: Sketcher, texts: pl.Series) -> list[pl.Series]:
    """`Sketches` of texts as columns: `units`, `fingerprint_0`, `fingerprint_1`, `bits_0`, ..., `band_000`, ..."""
    sketches = sketcher.sketch(texts)
    return [
        pl.Series("units", sketches.units),
        *(pl.Series(f"fingerprint_{half}", values) for half, values in enumerate(sketches.fingerprints)),
        *(pl.Series(f"bits_{word}", values) for word, values in enumerate(sketches.bits)),
        *(pl.Series(band(number), hashes) for number, hashes in enumerate(sketches.bands)),
    ]


def cut_into_sets(sketcher: Sketcher, chunks: Iterable[pl.DataFrame]) -> Iterator[tuple[RowNumbers, ShingleSets]]:
    """Shingle sets of texts that come in chunks with the columns `row` and `text`, on several threads."""
    return in_threads(lambda chunk: (chunk["row"].to_numpy(), sketcher.shingle_sets(chunk["text"])), chunks)


@dataclass(frozen=True, kw_only=True)
class SketchedCorpus:
    """A corpus to decide about. Rows are numbered in the order of their keys, so that the order of shards cannot show.

    Memory: 4 bytes a row, and the columns that are asked for.
    """

    sketches: pl.LazyFrame
    """Columns `id`, `key` (see `decision.standing`) and those of `sketch_columns`."""
    records: pl.LazyFrame
    """The rows that were sketched."""
    of: View
    order: npt.NDArray[np.uint32]
    """Where the row of each number stands in `sketches`."""

    def columns(self, *names: str) -> list[npt.NDArray[np.uint64]]:
        """Columns of the sketches, in the order of rows."""
        return [self.sketches.select(name).collect().to_series().to_numpy()[self.order] for name in names]

    def standing(self) -> Standing:
        """What the engine holds of all rows at once."""
        (units,) = self.columns("units")
        return Standing(
            units.astype(np.uint32),
            np.stack(self.columns(*FINGERPRINTS)),
            np.stack(self.columns(*bits(self.sketches.collect_schema().names()))),
        )

    def ids(self, rows: RowNumbers) -> pl.DataFrame:
        """Ids of some rows; columns `row` and `id`, sorted by row."""
        wanted = pl.DataFrame({"row": rows, "at": self.order[rows]}, schema={"row": pl.Int64, "at": pl.UInt32})
        named = self.sketches.select("id").with_row_index("at").join(wanted.lazy(), on="at").select("row", "id")
        return named.collect().sort("row")

    def texts(self, rows: RowNumbers) -> Iterator[pl.DataFrame]:
        """Texts of some rows in chunks with columns `row` and `text`, in no order."""
        wanted = self.ids(rows).lazy()
        texts = self.records.select("id", text=view(self.records, self.of)).join(wanted, on="id").select("row", "text")
        mean = self.sketches.select(pl.col("units").mean()).collect().item() or 1
        size = int(min(max(UNITS_AT_ONCE // mean, 1), MOST_TEXTS))
        yield from texts.collect_batches(chunk_size=size, maintain_order=False)


def sketched_corpus(sketches: pl.LazyFrame, records: pl.LazyFrame, of: View) -> SketchedCorpus:
    """The corpus with its rows numbered."""
    order = sketches.select("key").collect().to_series().arg_sort().to_numpy()
    return SketchedCorpus(sketches=sketches, records=records, of=of, order=order)
