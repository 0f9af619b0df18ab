"""One shot: files in, near-duplicates found, the other rows out as they came.

read ── sketch ──▶ fingerprints (memory), band hashes (spool)        first pass over the files
read ── candidates' shingle sets ──▶ spool ──▶ verified pairs        second
read ── write what is kept                                           third
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.dedupe.corpus import Corpus, Place, RowNumbers
from instructkit.dedupe.files import Plan, kind_of, open_writer
from instructkit.dedupe.result import Deduped, LargeCluster, Written
from instructkit.dedupe.rows import Block, Rows
from instructkit.dedupe.spool import BandSpool
from instructkit.dedupe.survivors import Keep, Verdict, verdict, write_clusters
from instructkit.errors import UsageFault, did_you_mean
from instructkit.minhash.banding import Banding, banding
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import Found, Standing, near_duplicates
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Sketches, Unit
from instructkit.minhash.threads import in_threads
from instructkit.store.atomic import beside

NUM_PERM = 144
"""Permutations: as few as give recall 0.99 at the thresholds in use, 0.7 and more."""
SHINGLE = {"words": 5, "characters": 7}
"""Units in a shingle, where nobody says otherwise."""
EXAMPLES = 3
"""Of the largest clusters that are told."""

Observer = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many (0: nobody knows)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What counts as a near-duplicate, and who stays."""

    text: str = "text"
    """The column that is compared."""
    threshold: float = 0.8
    unit: Unit = "words"
    shingle: int | None = None
    """Units in a shingle; None: 5 words or 7 characters."""
    keep: Keep = "first"
    recall: float = 0.99
    """Least probability that a pair exactly at the threshold is compared."""

    def banding(self) -> Banding:
        """Bands and rows. Raises UsageFault where so few permutations cannot give the recall."""
        found = banding(self.threshold, NUM_PERM, self.recall)
        if found is None:
            least = next(t / 100 for t in range(1, 101) if banding(t / 100, NUM_PERM, self.recall))
            raise UsageFault(
                f"--threshold {self.threshold:g} cannot be had with --recall {self.recall:g}: {NUM_PERM} permutations "
                f"reach down to {least:g}; raise the threshold, or lower the recall"
            )
        return found

    def sketcher(self) -> Sketcher:
        """What texts are compared by."""
        bands, rows = self.banding()
        return Sketcher(
            unit=self.unit,
            shingle=self.shingle or SHINGLE[self.unit],
            ignore=("case", "punctuation", "whitespace"),
            bands=bands,
            rows=rows,
            seed=0,
        )


def dedupe(plan: Plan, settings: Settings, observe: Observer = lambda what, done, of: None) -> Deduped:
    """Write the rows that are kept, and the clusters. Nothing is left behind by a run that is killed or fails.

    Raises InputError for a file that cannot be read, UsageFault where no row has the column; nothing is written then.
    Memory: about 40 bytes a row beside what `near_duplicates` takes, and a few blocks of 8 MB for each thread.
    """
    began = time.perf_counter()
    banding = settings.banding()
    corpus = Corpus(plan.sources, settings.text)
    found, absent, lengths = _find(corpus, settings, _existing(plan.targets[0]), observe)
    ruling = verdict(clusters(found.edges), lengths)
    kept = np.ones(corpus.rows, dtype=np.bool_)
    kept[ruling.dropped] = False
    written = _write(plan, corpus, kept, ruling, observe)
    dropped = len(ruling.dropped)
    return Deduped(
        rows=corpus.rows,
        without_text=len(absent),
        files_without_text=_textless(corpus, absent),
        kept=corpus.rows - dropped,
        copies=found.copies,
        near_duplicates=dropped - found.copies,
        clusters=len(ruling.sizes()),
        largest=_largest(corpus, ruling),
        verified=found.verified,
        threshold=settings.threshold,
        bands=banding.bands,
        rows_per_band=banding.rows,
        recall=round(banding.catch_probability(settings.threshold), 6),
        seconds=round(time.perf_counter() - began, 3),
        written=written,
        clusters_file=str(plan.clusters) if plan.clusters else None,
    )


def _find(
    corpus: Corpus, settings: Settings, folder: Path, observe: Observer
) -> tuple[Found, RowNumbers, npt.NDArray[np.uint32] | None]:
    """Near-duplicates, rows without text, and the characters of each text where it is asked who is longest."""
    sketcher = settings.sketcher()
    standing: list[Sketches] = []
    absent: list[RowNumbers] = []
    lengths: list[npt.NDArray[np.uint32]] = []

    def sketch(place: Place) -> tuple[int, Rows, pl.Series, Sketches, npt.NDArray[np.uint32]]:
        rows = place.block.rows()
        texts = place.block.texts(rows)
        characters = texts.str.len_chars() if settings.keep == "longest" else pl.Series(dtype=pl.UInt32)
        return place.file, rows, texts.is_null(), sketcher.sketch(texts), characters.fill_null(0).to_numpy()

    with BandSpool(sketcher.bands, folder) as spool:
        done = 0
        for file, rows, null, sketches, characters in in_threads(sketch, corpus.read()):
            corpus.add(file, rows)
            spool.add(sketches.bands)
            standing.append(sketches._replace(bands=_no_rows(0)))
            absent.append(null.arg_true().to_numpy().astype(np.int64) + done)
            lengths.append(characters)
            done += rows.count
            observe("reading", done, 0)
        nowhere = np.concatenate([NO_ROWS, *absent])
        if len(nowhere) == done:
            _check_column(corpus)
        together = Standing(
            np.concatenate([NO_UNITS, *(each.units for each in standing)]),
            np.concatenate([_no_rows(2), *(each.fingerprints for each in standing)], axis=1),
            np.concatenate([_no_rows((sketcher.bits + 63) // 64), *(each.bits for each in standing)], axis=1),
        )
        standing.clear()
        found = near_duplicates(
            sketcher,
            together,
            spool.bands(),
            lambda wanted: _sets(corpus, sketcher, wanted, observe),
            settings.threshold,
            absent=nowhere,
            folder=folder,
        )
    return found, nowhere, np.concatenate(lengths) if settings.keep == "longest" and lengths else None


NO_ROWS: RowNumbers = np.empty(0, dtype=np.int64)
NO_UNITS: npt.NDArray[np.uint32] = np.empty(0, dtype=np.uint32)


def _no_rows(columns: int) -> npt.NDArray[np.uint64]:
    return np.empty((columns, 0), dtype=np.uint64)


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


def _write(
    plan: Plan, corpus: Corpus, kept: npt.NDArray[np.bool_], ruling: Verdict, observe: Observer
) -> list[Written]:
    """Write all files beside their places, then put all of them there."""
    counts = dict.fromkeys(plan.targets, 0)
    ends = [0, *corpus.file_ends().tolist()]
    with ExitStack() as places:
        paths = {target: places.enter_context(beside(_real(target))) for target in counts}
        table = places.enter_context(beside(_real(plan.clusters))) if plan.clusters else None
        for target, path in paths.items():
            files = [i for i, other in enumerate(plan.targets) if other == target]
            writer = open_writer(plan.sources[files[0]], target, path)
            try:
                for i in files:
                    mine = kept[ends[i] : ends[i + 1]]
                    plan.sources[i].copy(corpus.blocks_of(i), mine, writer)
                    counts[target] += int(mine.sum())
                    observe("writing", ends[i + 1], len(kept))
            finally:
                writer.close()
        if table and plan.clusters:
            write_clusters(ruling, corpus, table, kind_of(plan.clusters))
        corpus.check_unchanged()
    return [Written(file=str(target), rows=count) for target, count in counts.items()]


def _real(path: Path) -> Path:
    """Where a link leads, so that the link stays one."""
    return Path(os.path.realpath(path))


def _existing(target: Path) -> Path:
    """The folder that the target will be in, or the nearest above that there is."""
    return next(folder for folder in _real(target).parents if folder.is_dir())


def _check_column(corpus: Corpus) -> None:
    """Raises UsageFault where the first rows of no file have the column at all."""
    there = list(dict.fromkeys(column for source in corpus.sources for column in source.columns()))
    if there and corpus.column not in there:
        raise UsageFault(
            f"no row has the column '{corpus.column}'{did_you_mean(corpus.column, there)} (columns found: "
            f"{', '.join(there)}); name the column to compare with --text"
        )


def _textless(corpus: Corpus, absent: RowNumbers) -> list[str]:
    ends = corpus.file_ends()
    counts = np.diff(ends, prepend=0)
    missing = np.bincount(np.searchsorted(ends, absent, side="right"), minlength=len(ends))
    return [str(corpus.sources[i].path) for i in np.flatnonzero((missing == counts) & (counts > 0)).tolist()]


def _largest(corpus: Corpus, ruling: Verdict) -> list[LargeCluster]:
    sizes = ruling.sizes()
    largest = np.lexsort((np.arange(len(sizes)), -sizes))[:EXAMPLES]
    _, first = np.unique(ruling.cluster, return_index=True)
    files, lines = corpus.locate(ruling.survivor[first[largest]])
    return [
        LargeCluster(rows=size, file=str(corpus.sources[file].path), line=line)
        for size, file, line in zip(sizes[largest].tolist(), files.tolist(), lines.tolist(), strict=True)
    ]
