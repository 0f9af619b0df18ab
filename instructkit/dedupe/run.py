"""One shot: files in, near-duplicates found, the other rows out as they came.

read ── sketch ──▶ fingerprints (memory), band hashes (spool)        first pass over the files
read ── candidates' shingle sets ──▶ spool ──▶ verified pairs        second
read ── write what is kept                                           third
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from instructkit.dedupe.corpus import Corpus
from instructkit.dedupe.files import Plan, kind_of, open_writer
from instructkit.dedupe.find import Observer, search
from instructkit.dedupe.result import Deduped, LargeCluster, Written
from instructkit.dedupe.settings import Settings
from instructkit.dedupe.survivors import Verdict, verdict, write_clusters
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import RowNumbers
from instructkit.store.atomic import beside

EXAMPLES = 3
"""Of the largest clusters that are told."""


def dedupe(plan: Plan, settings: Settings, observe: Observer = lambda what, done, of: None) -> Deduped:
    """Write the rows that are kept, and the clusters. A run that fails leaves nothing behind.

    One that is killed while it writes leaves files named `.NAME.PID.partial` beside the outputs, and no outputs.
    Raises InputError for a file that cannot be read, UsageFault where no row has the column; nothing is written then.
    Memory: about 40 bytes a row beside what `near_duplicates` takes, and a few blocks of 2 MB for each thread.
    """
    began = time.perf_counter()
    banding = settings.banding()
    corpus = Corpus(plan.sources, settings.text)
    found, absent, lengths = search(corpus, settings, _existing(plan.targets[0]), observe)
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
        recall=round(banding.recall(settings.threshold), 6),
        seconds=round(time.perf_counter() - began, 3),
        written=written,
        clusters_file=str(plan.clusters) if plan.clusters else None,
    )


def _write(
    plan: Plan, corpus: Corpus, kept: npt.NDArray[np.bool_], ruling: Verdict, observe: Observer
) -> list[Written]:
    """Write all files beside their places, then put all of them there."""
    counts = dict.fromkeys(plan.targets, 0)
    inputs: dict[Path, list[int]] = {}
    for i, target in enumerate(plan.targets):
        inputs.setdefault(target, []).append(i)
    ends = [0, *corpus.file_ends().tolist()]
    with ExitStack() as places:
        # Not waited for until it is on the disk: the rows are still in the inputs.
        paths = {target: places.enter_context(beside(_real(target), flushed=False)) for target in counts}
        table = places.enter_context(beside(_real(plan.clusters))) if plan.clusters else None
        for target, path in paths.items():
            writer = open_writer(plan.sources[inputs[target][0]], target, path)
            try:
                for i in inputs[target]:
                    mine = kept[ends[i] : ends[i + 1]]
                    plan.sources[i].copy(corpus.blocks[i], mine, writer)
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
