"""From verified pairs to clusters, and to each row's nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.minhash.sketcher import kernels


class Edges(NamedTuple):
    """Pairs of rows and how alike they are, each of shape (edges,)."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]

    def at_least(self, threshold: float) -> Edges:
        """The edges of that similarity and more."""
        good = self.similarity >= threshold
        return Edges(self.left[good], self.right[good], self.similarity[good])


def joined(parts: Sequence[Edges]) -> Edges:
    """Edges of several lots, one lot after the other."""
    return Edges(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Members(NamedTuple):
    """Rows of clusters of two and more, in ascending order, each array of shape (members,)."""

    row: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    """The smallest row of the cluster."""
    nearest: npt.NDArray[np.int64]
    """The row that it is most like, of those it was compared with; the smallest such row."""
    similarity: npt.NDArray[np.float64]
    """To the nearest, in [0, 1]."""


def clusters(edges: Edges) -> Members:
    """What the edges join, whatever their order; a cluster is a chain, so its ends may be unlike.

    Memory: 100 bytes an edge, nothing for rows without one.
    """
    ends = np.concatenate([edges.left, edges.right])
    row, place = np.unique(ends, return_inverse=True)
    count = len(edges.left)
    parents = smallest(len(row), place[:count], place[count:])
    others = np.concatenate([edges.right, edges.left])
    similarity = np.concatenate([edges.similarity, edges.similarity])
    best = np.lexsort((others, -similarity, place))
    first = best[np.searchsorted(place[best], np.arange(len(row)))]
    return Members(row, row[parents], others[first], similarity[first])


def smallest(count: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The smallest of the numbers that each of 0 to count - 1 is linked with, shape (count,), by union-find.

    `left` and `right` are the ends of the links, each of shape (links,).
    """
    parents = np.arange(count, dtype=np.int64)
    kernels().join(
        parents, np.array(left, np.int64), np.array(right, np.int64)
    )  # copies: numba compiles anew for what is read-only
    return parents
