"""One shot: files in, near-duplicates found, the other rows out as they came.

read ── sketch ──▶ units, fingerprints (memory), bands (spool)     first pass over the files
read ── candidates' shingle sets ──▶ spool ──▶ verified pairs      second
read ── write what is kept                                         third
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

from instructkit.dedupe.jsonl import LineBlock, line_blocks
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import Standing, near_duplicates
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Sketches
from instructkit.minhash.threads import in_threads


def dedupe(inputs, out: Path, column: str, sketcher: Sketcher, threshold: float):
    def blocks() -> Iterator[LineBlock]:
        for path in inputs:
            yield from line_blocks(path, column)

    def first(block):
        starts = block.starts()
        texts = block.texts(starts)
        return starts, texts.is_null().to_numpy(), sketcher.sketch(texts)

    with TemporaryFile(dir=out.parent) as spool:
        starts, units, prints, bits, absent = [], [], [], [], []
        total = 0
        for s, null, sk in in_threads(first, blocks()):
            starts.append(s)
            units.append(sk.units)
            prints.append(sk.fingerprints)
            bits.append(sk.bits)
            absent.append(np.flatnonzero(null) + total)
            spool.write(memoryview(sk.bands).cast("B"))
            total += len(s)
        counts = np.array([len(s) for s in starts])
        firsts = np.concatenate([[0], np.cumsum(counts)])
        spool.flush()

        def bands():
            import os

            for j in range(sketcher.bands):
                col = np.empty(total, np.uint64)
                for f, n in zip(firsts, counts):
                    os.preadv(
                        spool.fileno(),
                        [memoryview(col[f : f + n]).cast("B")],
                        int(f) * sketcher.bands * 8 + j * int(n) * 8,
                    )
                yield col

        def sets(wanted):
            bounds = np.searchsorted(wanted, firsts)

            def one(item):
                i, block = item
                rows = wanted[bounds[i] : bounds[i + 1]]
                if not len(rows):
                    return rows, None
                return rows, sketcher.shingle_sets(block.some_texts(starts[i], rows - firsts[i]))

            for rows, s in in_threads(one, enumerate(blocks())):
                if s is not None:
                    yield rows, s

        found = near_duplicates(
            sketcher,
            Standing(np.concatenate(units), np.concatenate(prints, axis=1), np.concatenate(bits, axis=1)),
            bands(),
            sets,
            threshold,
            folder=out.parent,
        )
    members = clusters(found.edges)
    kept = np.ones(total, bool)
    kept[members.row[members.row != members.cluster]] = False
    with out.open("wb", buffering=1 << 20) as f:
        for i, block in enumerate(blocks()):
            block.write(starts[i], kept[firsts[i] : firsts[i + 1]], f)
    return found, total, kept.sum()
