"""What a verification says of what it found: counts by pair of splits, and the rows themselves."""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import polars as pl

from instructkit.audit.crossings import KINDS
from instructkit.audit.evaluations import Held, evaluation_side
from instructkit.audit.identities import IDENTITIES
from instructkit.audit.overlap import Overlap
from instructkit.audit.spool import RowSpool
from instructkit.audit.verified import COMMON_ANSWER, CONTAMINATED, NEARLY, Contamination, Evidence, Pair, Side

EXCERPT = 300
"""Characters of a text that evidence holds."""
MOST_EVIDENCE = 1_000
"""Pairs of rows of each kind and pair of splits that are named."""
SHOWN = ["file", "line", "id", "split", "prompt", "response"]


def pairs(spool: RowSpool, crossings: pl.DataFrame, found: Overlap) -> list[Pair]:
    """For each two splits, how many rows of the later one cross, by kind."""
    counted = _by_pair(spool, crossings).group_by("split", "later", "kind").agg(pl.col("right").n_unique())
    counts = {(one, two, kind): n for one, two, kind, n in counted.iter_rows()}
    common = _by_pair(spool, found.common_answers).group_by("split", "later").agg(pl.col("right").n_unique())
    counts |= {(one, two, COMMON_ANSWER): n for one, two, n in common.iter_rows()}
    every = _by_pair(spool, crossings).group_by("split", "later").agg(pl.col("right").n_unique())
    crossing = {(one, two): n for one, two, n in every.iter_rows()}
    return [
        Pair(
            earlier=spool.splits[one],
            later=spool.splits[two],
            rows=spool.counts[two],
            crossing=crossing.get((one, two), 0),
            counts={kind: counts.get((one, two, kind), 0) for kind in (*KINDS, COMMON_ANSWER, *IDENTITIES)},
        )
        for one, two in combinations(range(len(spool.splits)), 2)
    ]


def _by_pair(spool: RowSpool, crossings: pl.DataFrame) -> pl.DataFrame:
    """With the number of the later split: places run on from split to split."""
    ends = pl.Series([sum(spool.counts[: n + 1]) for n in range(len(spool.counts))], dtype=pl.Int64)
    return crossings.with_columns(later=ends.search_sorted(crossings["right"], side="right").cast(pl.Int64))


def evidence(spool: RowSpool, crossings: pl.DataFrame) -> list[Evidence]:
    """The first pairs of each kind and pair of splits, the most alike first."""
    order = {kind: number for number, kind in enumerate((*KINDS, *IDENTITIES))}
    rank = pl.col("kind").replace_strict(order, return_dtype=pl.Int64)
    chosen = (
        _by_pair(spool, crossings)
        .sort("split", "later", rank, -pl.col("similarity").fill_null(0), "right", "left")
        .group_by("split", "later", "kind", maintain_order=True)
        .head(MOST_EVIDENCE)
        .sort("split", "later", rank, -pl.col("similarity").fill_null(0), "right", "left")
    )
    places = {*chosen["left"].to_list(), *chosen["right"].to_list()}
    sides = {row["place"]: _side(row) for row in spool.at(places, SHOWN).iter_rows(named=True)}
    return [
        Evidence(
            kind=row["kind"],
            similarity=None if row["similarity"] is None else round(row["similarity"], 4),
            earlier=sides[row["left"]],
            later=sides[row["right"]],
        )
        for row in chosen.iter_rows(named=True)
    ]


def contamination(spool: RowSpool, rows: Held) -> list[Contamination]:
    """A count for each file of the evaluations, also of those of which nothing is held."""
    places = rows.found.with_columns(split=_split_of(spool, rows.found["place"]))
    counted = places.group_by("file", "split").agg(pl.col("place").n_unique())
    counts = {(file, split): n for file, split, n in counted.iter_rows()}
    found = dict(places.group_by("file").agg(pl.col("row").n_unique()).iter_rows())
    nearly = dict(rows.nearly.group_by("file").agg(pl.col("place").n_unique()).iter_rows())
    sizes = dict(rows.rows.group_by("file").len().iter_rows())
    return [
        Contamination(
            file=file,
            rows=sizes.get(file, 0),
            found=found.get(file, 0),
            counts={split: counts.get((file, split), 0) for split in spool.splits},
            nearly=nearly.get(file, 0),
        )
        for file in rows.files
    ]


def _split_of(spool: RowSpool, places: pl.Series) -> pl.Series:
    ends = pl.Series(np.cumsum(spool.counts), dtype=pl.Int64)
    return pl.Series(spool.splits, dtype=pl.String).gather(ends.search_sorted(places, side="right"))


def held_evidence(spool: RowSpool, rows: Held) -> list[Evidence]:
    """The first rows that hold one of an evaluation, each with the one that is found best."""
    every = pl.concat(
        [rows.found.with_columns(kind=pl.lit(CONTAMINATED)), rows.nearly.with_columns(kind=pl.lit(NEARLY))]
    )
    best = every.sort("place", -pl.col("score"), "row").unique("place", keep="first", maintain_order=True)
    chosen = best.sort("kind", -pl.col("score"), "place").head(MOST_EVIDENCE)
    sides = {row["place"]: _side(row) for row in spool.at(chosen["place"].to_list(), SHOWN).iter_rows(named=True)}
    return [
        Evidence(
            kind=row["kind"],
            similarity=round(row["score"], 4),
            earlier=_side(evaluation_side(rows.rows.row(row["row"], named=True))),
            later=sides[row["place"]],
        )
        for row in chosen.iter_rows(named=True)
    ]


def _side(row: dict[str, object]) -> Side:
    return msgspec.convert(
        {name: row[name] for name in ("file", "line", "id", "split")}
        | {"prompt": _short(str(row["prompt"])), "answer": _short(str(row["response"]))},
        Side,
    )


def _short(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
