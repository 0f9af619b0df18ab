"""How well a tool did, told from the documents that it kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Of one run at one threshold."""

    kept: int
    recall: float
    """Share of the true pairs that were resolved: at most one of the two documents was kept."""
    planted: float
    """The same of the true pairs that were planted."""
    precision: float
    """Share of the dropped documents that are in a true pair, with whomever."""
    lost: int
    """Groups of true duplicates, and single documents, of which nothing was kept."""


def accuracy(kept: npt.NDArray[np.bool_], pairs: pl.DataFrame, threshold: float) -> Accuracy:
    """`kept` tells of each document whether it was kept; `pairs` has a, b, similarity and planted.

    Where there are no true pairs recall is 1, where nothing was dropped precision is.
    """
    true = pairs.filter(pl.col("similarity") >= threshold)
    a, b = true["a"].to_numpy(), true["b"].to_numpy()
    planted = true["planted"].to_numpy()
    resolved = ~(kept[a] & kept[b])
    paired = np.zeros(len(kept), dtype=bool)
    paired[a] = paired[b] = True
    groups = components(len(kept), a, b)
    alive = np.zeros(len(kept), dtype=bool)
    alive[groups[kept]] = True
    return Accuracy(
        kept=int(kept.sum()),
        recall=float(resolved.mean()) if len(resolved) else 1.0,
        planted=float(resolved[planted].mean()) if planted.any() else 1.0,
        precision=float(paired[~kept].mean()) if not kept.all() else 1.0,
        lost=len(np.unique(groups)) - int(alive.sum()),
    )


def components(count: int, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The smallest document of each document's connected component: labels sink along edges until they rest."""
    labels = np.arange(count)
    while True:
        lower = labels.copy()
        np.minimum.at(lower, a, labels[b])
        np.minimum.at(lower, b, labels[a])
        lower = lower[lower]
        if (lower == labels).all():
            return labels
        labels = lower
