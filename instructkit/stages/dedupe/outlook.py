"""What a plan says of a search for near-duplicates before it begins: which pairs it will find, and what it takes."""

from __future__ import annotations

import polars as pl

from instructkit.minhash.banding import Banding
from instructkit.minhash.sketcher import Sketcher

SHOWN_SIMILARITIES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SKETCH_BYTES = 120
"""Of a sketch beside bands and bits: hashes, and ids, sources and paths of usual length."""
DECISION_BYTES = 250
"""Held for each record while it is decided."""


def outlook(
    sketcher: Sketcher, banding: Banding, thresholds: dict[str, float], records: pl.LazyFrame | None
) -> list[str]:
    """Lines for `plan`, for these rows (None: not known yet: for a million). `thresholds`: by name."""
    rows = None if records is None else records.select(pl.len()).collect().item()
    count, loosest = rows if rows is not None else 1_000_000, min(thresholds.values())
    curve = "   ".join(f"{s:.1f}: {_percent(banding.catch_probability(s))}" for s in SHOWN_SIMILARITIES)
    named = {similarity: name for name, similarity in thresholds.items()}
    recall = ", ".join(f"{_percent(banding.recall(s))} at {name} {s:g}" for s, name in sorted(named.items()))
    per_row = SKETCH_BYTES + 8 * (banding.bands + -(-sketcher.bits // 64))
    return [
        f"{banding.bands} bands of {banding.rows} minima each; every pair they catch is verified by its shingles",
        f"pairs caught, by similarity   {curve}",
        f"recall: {recall}",
        f"caught in vain: {_percent(banding.mean_probability(0, loosest))} of the pairs below {loosest:g} if they lay "
        "evenly from 0 on; nearly all pairs of a corpus lie near 0, where the share is far smaller",
        f"{'' if rows is not None else 'for each million rows: '}sketches {per_row * count / 1e6:,.0f} MB on disk, "
        f"decision {DECISION_BYTES * count / 1e6:,.0f} MB in memory; while it lasts, 8 bytes on disk for each word "
        "of a text in a pair that was caught",
    ]


def _percent(share: float) -> str:
    """A share that is not quite all never shows as 100 %."""
    return f"{share:.1%}" if 0.0005 <= share <= 0.9995 else "< 0.1%" if share < 0.5 else "> 99.9%"
