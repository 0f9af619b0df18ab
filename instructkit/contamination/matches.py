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

STRETCH = 2
"""Length of record, as a multiple of the evaluation row's, in which n-grams are looked for together: between two turns
of a row there may be a long answer."""
SLACK = 10
"""Words more: a short segment is not torn by one remark."""
LEAST = 0.5
"""Of the threshold: what must be found of a segment for a closer look. Half a prompt may have its whole answer."""
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

    All are there of which `LEAST` * threshold may be found, and others are not. `hits` in the order of records.
    """
    kept = weights[hits.gram] > 0
    if void is not None:
        kept &= ~_is_void(void, hits.record, hits.gram, len(index.grams))
    hits = Hits(*(column[kept] for column in hits))
    found = [_matches(index, some, weights, threshold * LEAST, void) for some in _chunks(index, hits)]
    return pl.concat([pl.DataFrame(schema=MATCH), *found])


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


def _matches(index: Index, hits: Hits, weights: Floats, least: float, void: Void | None) -> pl.DataFrame:
    bounds, occurrences = index.occurrences
    counts = (bounds[1:] - bounds[:-1])[hits.gram]
    hit = np.repeat(np.arange(len(counts)), counts)
    place = occurrences[_ranges(bounds[hits.gram], counts)]
    segments = len(index.units)
    segment = index.segment_of[place]
    pair = hits.record[hit] * segments + segment

    # First by number alone: each n-gram found covers n words at most.
    names, number, times = np.unique(pair, return_inverse=True, return_counts=True)
    worth = _per_segment(index, weights)[names % segments]
    if void is not None:
        worth = np.maximum(worth - void.sizes[void.template[names // segments]], 1)
    enough = times * index.ngram >= least * worth
    kept = enough[number]
    pair, hit, place, segment = pair[kept], hit[kept], place[kept], segment[kept]
    position = hits.position[hit]
    order = np.lexsort((position, pair))
    pair, hit, place, position = pair[order], hit[order], place[order], position[order]
    kept = _in_best_window(pair, position, index.reach[pair % segments] * STRETCH + SLACK)
    pair, hit, place, position = pair[kept], hit[kept], place[kept], position[kept]
    if not len(pair):
        return pl.DataFrame(schema=MATCH)

    begin = np.flatnonzero(np.diff(pair, prepend=-1))
    names = pair[begin]
    record, segment = names // segments, names % segments
    units = index.units[segment]
    offsets = np.concatenate([[0], np.cumsum(units)])
    owner = np.repeat(np.arange(len(names)), np.diff(np.append(begin, len(pair))))

    # Weights of the segments' words, and of those that lie under n-grams that were found.
    grams_of = np.diff(index.starts)[segment]
    own = np.repeat(np.arange(len(names)), grams_of)
    gram = index.sequence[_ranges(index.starts[segment], grams_of)]
    weight = weights[gram]
    if void is not None:
        weight = np.where(_is_void(void, record[own], gram, len(index.grams)), 0.0, weight)
    length = np.minimum(units, index.ngram)
    whole = _spread(offsets, own, _ranges(np.zeros(len(names), np.int64), grams_of), weight, length)
    found = _spread(offsets, owner, place - index.starts[segment[owner]], weights[hits.gram[hit]], length)
    turn = np.maximum.reduceat(hits.turn[hit], begin)
    result = pl.DataFrame(
        {
            "record": record,
            "segment": segment,
            "found": np.add.reduceat(found, offsets[:-1]),
            "weight": np.add.reduceat(whole, offsets[:-1]),
            "words": np.add.reduceat(found > 0, offsets[:-1]).astype(np.int64),
            "first": np.minimum.reduceat(position, begin),
            "last": np.maximum.reduceat(position, begin) + length,
            "turn": turn,
        },
        schema=MATCH,
    )
    return result.filter(pl.col("found") >= least * pl.col("weight"))


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """starts[0], starts[0] + 1, ... `counts[0]` of them, then those from starts[1] on."""
    result: Ints = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    return result


def _per_segment(index: Index, weights: Floats) -> Floats:
    """How many words of each segment an n-gram with weight begins at: at least as many have weight."""
    useful = np.concatenate([[0], np.cumsum(weights[index.sequence] > 0)])
    counts: Floats = (useful[index.starts[1:]] - useful[index.starts[:-1]]).astype(np.float64)
    return counts


def _in_best_window(pair: Ints, position: Ints, room: Ints) -> npt.NDArray[np.bool_]:
    """Which entries (in the order of pairs and positions) lie in the window of their pair that holds the most."""
    far = int(position.max(initial=0)) + int(room.max(initial=0)) + 1
    number = np.cumsum(np.diff(pair, prepend=-1) != 0)
    key = number * far + position
    end = np.searchsorted(key, key + room, side="right")
    held = end - np.arange(len(key))
    # The first of the fullest windows of each pair.
    order = np.lexsort((np.arange(len(key)), -held, number))
    best = order[np.flatnonzero(np.diff(number[order], prepend=0))]
    sizes = np.bincount(number, minlength=1)[1:]
    at = np.arange(len(key))
    result: npt.NDArray[np.bool_] = (at >= np.repeat(best, sizes)) & (at < np.repeat(end[best], sizes))
    return result


def _spread(offsets: Ints, owner: Ints, first: Ints, weight: Floats, length: Ints) -> Floats:
    """The largest weight over each word of the owners' segments, which lie on end from `offsets`."""
    result = np.zeros(offsets[-1])
    for step in range(int(length.max(initial=0))):
        inside = step < length[owner]
        np.maximum.at(result, (offsets[owner] + first + step)[inside], weight[inside])
    return result
