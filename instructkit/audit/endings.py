"""Answers that were cut off, as only all answers together show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.audit.answers import Ending, limit, without_full_stop
from instructkit.audit.finding import MARKS, excerpt
from instructkit.audit.ground import Ground

UNITS = {"answer_characters": "characters", "answer_words": "words", "supervised_tokens": "tokens"}


def check_endings(ground: Ground) -> None:
    """Marks answers of one greatest length (rule `N characters`), and answers without the full stop that nearly all
    others have (rule `no full stop`).
    """
    known = ground.known
    row = known["row"].to_numpy()
    for column, unit in UNITS.items():
        lengths = known[column].drop_nulls().to_numpy() if column in known.columns else np.zeros(0, dtype=np.uint32)
        found = limit(lengths)
        there = known.filter(pl.col(column) == found.length) if found is not None else known.clear()
        if found is not None and _were_cut(there):
            _mark(ground, there["row"].to_numpy(), f"all at {found.length:,} {unit}")
    _mark(ground, without_full_stop(row, known["ending"].to_numpy()), "no full stop")


def _were_cut(rows: pl.DataFrame) -> bool:
    """Whether answers of one length look cut: mostly other texts each, so no label, and mostly no whole sentences."""
    different = rows["replied"].n_unique() >= rows.height / 2
    return different and rows.filter(pl.col("ending") == Ending.FINISHED).height < rows.height / 2


def _mark(ground: Ground, rows: npt.NDArray[np.uint32], rule: str) -> None:
    marked = pl.DataFrame({"row": rows, "rule": [rule] * len(rows)}, schema_overrides={"row": pl.UInt32()})
    first = marked["row"].head(ground.named).to_list()
    texts = ground.disk.some(first, "answer").select("row", said=excerpt(pl.col("answer"), end=True))
    ground.tally.add("cut", marked.join(texts, on="row", how="left", maintain_order="left").cast(MARKS))
