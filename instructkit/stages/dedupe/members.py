"""From the sketches of a corpus to its near-duplicates: what `dedupe.minhash` and `group.near` both decide by."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from instructkit.minhash.banding import Banding
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import RowNumbers, near_duplicates
from instructkit.minhash.sketcher import ShingleSets, Sketcher
from instructkit.stages.dedupe.sketched import band, cut_into_sets, sketched_corpus
from instructkit.text.view import View


def near_members(
    sketcher: Sketcher,
    banding: Banding,
    sketches: pl.LazyFrame,
    records: pl.LazyFrame,
    of: View,
    *,
    kin: float,
    same: float,
) -> pl.DataFrame:
    """The records that are like another, as `decision.MEMBER`: kin from one similarity on, of a cluster from another.

    Each pair is verified. A text that stands a million times costs a million steps, not their square. Memory: some 250
    bytes a record, and 40 a candidate pair; the sketches' bands are read one at a time.
    """
    corpus = sketched_corpus(sketches, records, of)

    def read_sets(rows: RowNumbers) -> Iterator[tuple[RowNumbers, ShingleSets]]:
        return cut_into_sets(sketcher, corpus.texts(rows))

    bands = (corpus.columns(band(number))[0] for number in range(banding.bands))
    edges = near_duplicates(sketcher, corpus.standing(), bands, read_sets, kin).edges
    near, alike = clusters(edges), clusters(edges.at_least(same))
    names = corpus.ids(near.row)
    members = pl.DataFrame({"row": near.row, "kin": near.cluster, "near": near.nearest, "similarity": near.similarity})
    return (
        members.join(names, on="row")
        .join(names.select(near="row", nearest="id"), on="near")
        .join(pl.DataFrame({"row": alike.row, "cluster": alike.cluster}), on="row", how="left")
        .select("id", "cluster", "kin", "nearest", "similarity")
    )
