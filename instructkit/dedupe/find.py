"""The first two passes: from files to pairs of rows that are alike.

read ── sketch ──▶ fingerprints (memory), band hashes (spool)        first
read ── candidates' shingle sets ──▶ spool ──▶ verified pairs        second
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.dedupe.corpus import Corpus, Place
from instructkit.dedupe.rows import Block, Rows
from instructkit.dedupe.settings import Settings
from instructkit.errors import UsageFault, did_you_mean
from instructkit.minhash.band_spool import BandSpool
from instructkit.minhash.duplicates import Found, RowNumbers, Standing, near_duplicates
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Sketches
from instructkit.minhash.threads import in_threads

Observer = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many (0: nobody knows)."""

NO_ROWS: RowNumbers = np.empty(0, dtype=np.int64)
NO_LENGTHS: npt.NDArray[np.uint32] = np.empty(0, dtype=np.uint32)


class Search(NamedTuple):
    """What the first two passes know."""

    found: Found
    absent: RowNumbers
    """Rows without text, sorted."""
    lengths: npt.NDArray[np.uint32] | None
    """Shape (rows,): characters of each text, where the longest is to stay."""


class _Sketched(NamedTuple):
    file: int
    rows: Rows
    absent: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint32]
    sketches: Sketches


def search(corpus: Corpus, settings: Settings, folder: Path, observe: Observer) -> Search:
    """Find what is alike; the corpus learns its blocks. `folder` is where temporary files without a name go.

    Raises InputError for a row that cannot be read, UsageFault where no row has the column.
    """
    sketcher = settings.sketcher()

    def sketch(place: Place) -> _Sketched:
        rows = place.block.rows()
        texts = place.block.texts(rows)
        absent = texts.is_null().arg_true().to_numpy() if texts.null_count() else NO_LENGTHS
        lengths = texts.str.len_chars().fill_null(0).to_numpy() if settings.keep == "longest" else NO_LENGTHS
        return _Sketched(place.file, rows, absent, lengths, sketcher.sketch(texts))

    with BandSpool(sketcher.bands, folder) as spool:
        standing, absent, lengths = _Standing(sketcher), [NO_ROWS], [NO_LENGTHS]
        done = 0
        for each in in_threads(sketch, corpus.read()):
            corpus.blocks[each.file].append(each.rows)
            spool.add(each.sketches.bands)
            standing.add(each.sketches)
            absent.append(each.absent.astype(np.int64) + done)
            lengths.append(each.lengths)
            done += each.rows.count
            observe("reading", done, 0)
        nowhere = np.concatenate(absent)
        if len(nowhere) == done:
            _check_column(corpus)
        found = near_duplicates(
            sketcher,
            standing.joined(),
            spool.bands(),
            lambda wanted: _sets(corpus, sketcher, wanted, observe),
            settings.threshold,
            absent=nowhere,
            folder=folder,
        )
    return Search(found, nowhere, np.concatenate(lengths) if settings.keep == "longest" else None)


class _Standing:
    """The part of the sketches that is held for all rows, block by block."""

    def __init__(self, sketcher: Sketcher) -> None:
        self._units = [np.empty(0, dtype=np.uint32)]
        self._fingerprints = [np.empty((2, 0), dtype=np.uint64)]
        self._bits = [np.empty(((sketcher.bits + 63) // 64, 0), dtype=np.uint64)]

    def add(self, sketches: Sketches) -> None:
        self._units.append(sketches.units)
        self._fingerprints.append(sketches.fingerprints)
        self._bits.append(sketches.bits)

    def joined(self) -> Standing:
        """All blocks as one, and none of them any more."""
        units = np.concatenate(self._units)
        self._units.clear()
        fingerprints = np.concatenate(self._fingerprints, axis=1)
        self._fingerprints.clear()
        bits = np.concatenate(self._bits, axis=1)
        self._bits.clear()
        return Standing(units, fingerprints, bits)


def _sets(
    corpus: Corpus, sketcher: Sketcher, wanted: RowNumbers, observe: Observer
) -> Iterator[tuple[RowNumbers, ShingleSets]]:
    """Shingle sets of the wanted rows, block by block."""

    def needed() -> Iterator[tuple[RowNumbers, int, Rows, Block]]:
        for first, rows, block in corpus.read_again():
            which = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, first + rows.count)]
            if len(which):
                yield which, first, rows, block

    def sets(item: tuple[RowNumbers, int, Rows, Block]) -> tuple[RowNumbers, ShingleSets]:
        which, first, rows, block = item
        return which, sketcher.shingle_sets(block.some_texts(rows, which - first))

    done = 0
    for which, found in in_threads(sets, needed()):
        yield which, found
        done += len(which)
        observe("comparing", done, len(wanted))
    corpus.check_unchanged()


def _check_column(corpus: Corpus) -> None:
    """Raises UsageFault where the first rows of no file have the column at all."""
    there = list(dict.fromkeys(column for source in corpus.sources for column in source.columns()))
    if there and corpus.column not in there:
        raise UsageFault(
            f"no row has the column '{corpus.column}'{did_you_mean(corpus.column, there)} (columns found: "
            f"{', '.join(there)}); name the column to compare with --text"
        )
