"""Who stays of each cluster, and the table that tells it of every member."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.dedupe.corpus import Corpus
from instructkit.minhash.clusters import Members
from instructkit.minhash.duplicates import RowNumbers

Keep = Literal["first", "longest"]


class Verdict(NamedTuple):
    """Members of clusters of two and more, in input order, each array of shape (members,)."""

    row: RowNumbers
    cluster: RowNumbers
    """Its number, from 1, in the order of the clusters' first members."""
    survivor: RowNumbers
    """The row that stays of the cluster."""
    nearest: RowNumbers
    similarity: npt.NDArray[np.float64]
    """To the nearest."""

    @property
    def dropped(self) -> RowNumbers:
        """Rows that go."""
        rows: RowNumbers = self.row[self.row != self.survivor]
        return rows

    def sizes(self) -> RowNumbers:
        """Members of each cluster."""
        return np.bincount(self.cluster)[1:].astype(np.int64)


def verdict(members: Members, lengths: npt.NDArray[np.uint32] | None) -> Verdict:
    """The first member of each cluster stays; with `lengths` (of all rows) the longest, of equals the first."""
    first, cluster = np.unique(members.cluster, return_inverse=True)
    survivor = first
    if lengths is not None:
        order = np.lexsort((members.row, -lengths[members.row].astype(np.int64), cluster))
        survivor = members.row[order][np.searchsorted(cluster[order], np.arange(len(first)))]
    return Verdict(members.row, cluster + 1, survivor[cluster], members.nearest, members.similarity)


def write_clusters(verdict: Verdict, corpus: Corpus, path: Path, kind: str) -> None:
    """Write a row for each member, by cluster and then in input order; `kind` is `.jsonl` or `.parquet`."""
    order = np.lexsort((verdict.row, verdict.cluster))
    names = pl.Series([str(source.path) for source in corpus.sources], dtype=pl.String)
    columns: dict[str, pl.Series] = {}
    for role, rows in (("", verdict.row), ("survivor_", verdict.survivor), ("nearest_", verdict.nearest)):
        files, lines = corpus.locate(rows[order])
        columns[f"{role}file"] = names.gather(files)
        columns[f"{role}line"] = pl.Series(lines)
    table = pl.DataFrame(columns).select(
        "file",
        "line",
        cluster=pl.Series(verdict.cluster[order]),
        kept=pl.Series((verdict.row == verdict.survivor)[order]),
        survivor_file="survivor_file",
        survivor_line="survivor_line",
        nearest_file="nearest_file",
        nearest_line="nearest_line",
        similarity=pl.Series(verdict.similarity[order]),
    )
    if kind == ".parquet":
        table.write_parquet(path)
    else:
        table.write_ndjson(path)
