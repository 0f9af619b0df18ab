"""How much of a segment (a prompt, an answer, a passage) stands in a record, in one place.

    segment    how many apples did tom buy at the market      weight of a word: that of the rarest n-gram over it
    n-grams    ├─────────── found ──┤ ├─ not ───────┤
    record     … how many apples did tom SELL at the market …
               ^^^^^^^^^^^^^^^^^^^^^      ^^^^^^^^^^^^^        words under n-grams that were found, by their weight

A changed word costs what it weighs and not all n-grams around it, as long as n words beside it are as they were. The
n-grams must lie within about twice the row's length, so that a long record does not gather them from everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.contamination.index import Hits, Index
from instructkit.contamination.rarity import weights_in_rows
from instructkit.minhash.sketcher import kernels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MATCH = pl.Schema(
    {
        "record": pl.Int64(),
        "segment": pl.Int64(),
        "found": pl.Float64(),
        "weight": pl.Float64(),
        "words": pl.Int64(),
        "first": pl.Int64(),
        "last": pl.Int64(),
        "turn": pl.Int64(),
    }
)
"""A segment in a record. `found`: weight of the segment's words that were found; `weight`: of all its words. `words`:
how many that have any weight were found. `first`, `last`: first word in the record, and one past the last. `turn`:
words of the longest turn that has part in it."""

RESULTS: dict[str, type[np.generic]] = {
    "found": np.float64,
    "weight": np.float64,
    "words": np.int64,
    "first": np.int64,
    "last": np.int64,
}
"""What `cover` writes."""

STRETCH = 2
"""Length of record, as a multiple of the evaluation row's, in which n-grams are looked for together: between two turns
of a row there may be a long answer."""
SLACK = 10
"""Words more: a short segment is not torn by one remark."""
LEAST = 0.5
"""Of the threshold: what must be found of a segment for a closer look. Half a prompt may have its whole answer."""
VERBATIM_WORDS = 20
"""Words of a prompt that says something by itself: found as one run it counts, with all its words, where a leak into
many groups has made them common. They must not be those of the record's template or of many rows of the evaluation."""
ROUNDING = 1e-6
PLACES_AT_ONCE = 2_000_000
"""Places of n-grams in segments that are looked at together; one record is always looked at whole."""


class Void(NamedTuple):
    """N-grams that do not count in some records: those of the template that rendered them."""

    template: Ints
    """Number of each record's template, shape (records,); -1 for none."""
    grams: Ints
    """template * n-grams + n-gram, sorted, of those that do not count."""
    sizes: Ints
    """How many those are, by template; a 0 more at the end, for none."""

    @staticmethod
    def of(template: Ints, each: list[Ints], grams: int) -> Void:
        """From the n-grams of each template, sorted; `grams`: n-grams in the index."""
        keys = [number * grams + some for number, some in enumerate(each)]
        sizes = [len(some) for some in each]
        return Void(template, np.concatenate([np.empty(0, np.int64), *keys]), np.array([*sizes, 0], dtype=np.int64))


def matches(index: Index, hits: Hits, weights: Floats, threshold: float, void: Void | None = None) -> pl.DataFrame:
    """Segments that stand in records, as `MATCH`, in the order of records and segments.

    All are there of which `LEAST` * threshold may be found, and prompts that stand there word for word however many
    others hold them (`VERBATIM_WORDS`); others are not. `hits` in the order of records.
    """
    verbatim = _verbatim(index, hits, weights, void)
    kept = weights[hits.gram] > 0
    if void is not None:
        kept &= ~_is_void(void, hits.record, hits.gram, len(index.grams))
    hits = Hits(*(column[kept] for column in hits))
    sums, each = _sums(index, weights), weights[index.sequence]
    found = [_matches(index, some, weights, each, sums, threshold * LEAST, void) for some in _chunks(index, hits)]
    if verbatim.is_empty():
        return pl.concat([pl.DataFrame(schema=MATCH), *found])
    return pl.concat([verbatim, *found]).unique(["record", "segment"], keep="first").sort("record", "segment")


def _verbatim(index: Index, hits: Hits, weights: Floats, void: Void | None) -> pl.DataFrame:
    """Long prompts without much weight that stand in records as one run, as `MATCH`; see `VERBATIM_WORDS`."""
    least = VERBATIM_WORDS - index.ngram + 1
    said = weights_in_rows(index) > 0
    # What several rows ask in the same words is an instruction, and not what the evaluation asks.
    prompts = index.uses.filter(part="prompt").filter(pl.len().over("segment") == 1)["segment"].to_numpy()
    light = _sums(index, (weights > 0).astype(np.float64)) < least
    heavy = _sums(index, said.astype(np.float64)) >= least
    prompts = prompts[light[prompts] & heavy[prompts]]
    opening = pl.DataFrame({"gram": index.sequence[index.starts[prompts]], "segment": prompts})
    begins = pl.DataFrame({"gram": hits.gram, "hit": np.arange(len(hits.gram))}).join(opening, on="gram")
    hit, segment = begins["hit"].to_numpy(), begins["segment"].to_numpy()
    size = np.diff(index.starts)[segment]
    there = hit + size <= len(hits.gram)
    hit, segment, size = hit[there], segment[there], size[there]
    end = hit + size - 1
    # Places in a record ascend: as many n-grams as places are one run.
    run = (hits.record[end] == hits.record[hit]) & (hits.position[end] - hits.position[hit] == size - 1)
    hit, segment, size = hit[run], segment[run], size[run]
    found = [pl.DataFrame(schema=MATCH)]
    for some in np.split(np.arange(len(hit)), np.flatnonzero(np.diff(np.cumsum(size) // PLACES_AT_ONCE)) + 1):
        if not len(some):
            continue
        here = _ranges(hit[some], size[some])
        starts = np.cumsum(size[some]) - size[some]
        same = hits.gram[here] == index.sequence[_ranges(index.starts[segment[some]], size[some])]
        counts = said[hits.gram[here]]
        if void is not None:
            counts &= ~_is_void(void, hits.record[here], hits.gram[here], len(index.grams))
        those = some[
            np.logical_and.reduceat(same, starts) & (np.add.reduceat(counts.astype(np.int64), starts) >= least)
        ]
        words, first = index.units[segment[those]], hits.position[hit[those]]
        columns = (hits.record[hit[those]], segment[those], words, words, words, first, first + words)
        matched = dict(zip(MATCH, (*columns, hits.turn[hit[those]]), strict=True))
        found.append(pl.DataFrame(matched).cast(MATCH))
    return pl.concat(found).unique(["record", "segment"], keep="first", maintain_order=True)


def _is_void(void: Void, record: Ints, gram: Ints, grams: int) -> npt.NDArray[np.bool_]:
    template = void.template[record]
    return (template >= 0) & _among(template * grams + gram, void.grams)


def _among(values: Ints, those: Ints) -> npt.NDArray[np.bool_]:
    if not len(those):
        return np.zeros(len(values), dtype=np.bool_)
    result: npt.NDArray[np.bool_] = those[np.minimum(np.searchsorted(those, values), len(those) - 1)] == values
    return result


def _chunks(index: Index, hits: Hits) -> Iterator[Hits]:
    """The hits, whole records at a time."""
    bounds, _ = index.occurrences
    costs = np.cumsum((bounds[1:] - bounds[:-1])[hits.gram])
    at = 0
    while at < len(costs):
        before = costs[at - 1] if at else 0
        end = int(np.searchsorted(costs, before + PLACES_AT_ONCE, side="right"))
        end = max(end, at + 1)
        end = int(np.searchsorted(hits.record, hits.record[end - 1], side="right"))
        yield Hits(*(column[at:end] for column in hits))
        at = end


def _matches(
    index: Index, hits: Hits, weights: Floats, each: Floats, sums: Floats, least: float, void: Void | None
) -> pl.DataFrame:
    """`matches` for some records, found of at least `least` of their weight. `each`: the weight of each place in
    `index.sequence`, `sums` of each segment together.
    """
    records, numbers = _numbered(hits.record)
    room = int(np.diff(index.occurrences[0])[hits.gram].sum())
    pair_record, hit, place = (np.empty(room, dtype=np.int64) for _ in range(3))
    spared = np.zeros(len(numbers), dtype=np.int64) if void is None else void.sizes[void.template[numbers]]
    # A word weighs 1 at most, and a segment's words at least as much as the n-grams that begin at them.
    needed = np.ceil(sums * least - ROUNDING).astype(np.int64)
    count = kernels().candidates(
        records, hits.gram, *index.occurrences, index.segment_of, index.ngram, needed, spared, pair_record, hit, place
    )
    if not count:
        return pl.DataFrame(schema=MATCH)
    segments = len(index.units)
    segment = index.segment_of[place[:count]]
    order = np.argsort(pair_record[:count] * segments + segment, kind="stable")
    hit, place = hit[:count][order], place[:count][order]
    pairs, names = _numbered((pair_record[:count] * segments + segment)[order])
    record, segment = numbers[names // segments], names % segments
    result = {name: np.empty(len(names), dtype) for name, dtype in RESULTS.items()}
    begin, end, own = _own_weights(index, record, segment, each, void)
    if void is not None:
        # The segments' n-grams lie on end there, pair by pair.
        place = place - np.repeat(index.starts[segment] - begin, np.diff(pairs))
    kernels().cover(
        pairs,
        hits.position[hit],
        place,
        weights[hits.gram[hit]],
        begin,
        end,
        index.reach[segment] * STRETCH + SLACK,
        np.minimum(index.units[segment], index.ngram),
        own,
        *result.values(),
    )
    turn = np.maximum.reduceat(hits.turn[hit], pairs[:-1])
    found = pl.DataFrame({"record": record, "segment": segment, **result, "turn": turn}, schema=MATCH)
    return found.filter(pl.col("found") >= least * pl.col("weight"))


def _numbered(sorted_names: Ints) -> tuple[Ints, Ints]:
    """(where each name's entries begin, and one more; the names)."""
    begins = np.flatnonzero(np.diff(sorted_names, prepend=-1))
    return np.append(begins, len(sorted_names)), sorted_names[begins]


def _own_weights(
    index: Index, record: Ints, segment: Ints, each: Floats, void: Void | None
) -> tuple[Ints, Ints, Floats]:
    """(where the n-grams of each pair's segment begin, where they end, the weights of all n-grams there)."""
    if void is None:
        return index.starts[segment], index.starts[segment + 1], each
    counts = np.diff(index.starts)[segment]
    ends = np.cumsum(counts)
    places = _ranges(index.starts[segment], counts)
    away = _is_void(void, np.repeat(record, counts), index.sequence[places], len(index.grams))
    own = np.where(away, 0.0, each[places])
    return ends - counts, ends, own


def _sums(index: Index, weights: Floats) -> Floats:
    """What the n-grams of each segment weigh together."""
    sums = np.concatenate([[0.0], np.cumsum(weights[index.sequence])])
    result: Floats = sums[index.starts[1:]] - sums[index.starts[:-1]]
    return result


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """starts[0], starts[0] + 1, ... `counts[0]` of them, then those from starts[1] on."""
    result: Ints = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    return result
