"""The kernels in NumPy, for where numba is not installed: the same bytes, some ten times slower.

No step depends on the one before it, so that no loop runs over characters or words. A polynomial modulo 2^64 is a sum
of terms that each know their place, since an odd base has an inverse:

    h = h * B + v, for each v in turn   =   B^last * sum of v[i] * B^-i

Texts are taken some at a time, about `BYTES_AT_ONCE` together or one longer text: 50 to 70 bytes a byte meanwhile.
Signatures are those of `kernels`, and so is the meaning of every constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.minhash.code_points import (
    ALONE,
    COMPATIBILITY,
    DIGIT,
    GAP,
    HYPHEN,
    KIND,
    LETTER,
    NOTHING,
    TABLE_SIZE,
    UNSPACED_PLANES_END,
    UNSURE,
    WORD,
)
from instructkit.minhash.constants import BASE, FEW, NONE, ROLL, ROLL_2, VALUE

U8s = npt.NDArray[np.uint8]
U32s = npt.NDArray[np.uint32]
U64s = npt.NDArray[np.uint64]
I64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BYTES_AT_ONCE = 1 << 18
"""Of the texts that are cut together; the shingles of so many fit a processor's cache."""
TEXT_COSTS = 256
"""Bytes that a text counts for beside its own."""
SHINGLES_AT_ONCE = 1 << 19
"""Of the pairs that are counted together."""
PAIRS_AT_ONCE = 1 << 18
"""Pairs whose bits are compared together."""

ONE = np.uint64(1)
SPACE = np.array([ord(" ") + 1], dtype=np.uint64) * VALUE  # of one number, since single ones warn of overflow


def sketch(
    data: U8s, offsets: I64s, tables: tuple[Any, ...], size: int, a: U32s, b: U32s,
    units_out: U32s, fingerprints: U64s, bits: U64s, minima_out: U32s, bands: U64s, rows: int, doubt: Flags,
) -> None:  # fmt: skip
    """Sketch the texts data[offsets[i]:offsets[i + 1]].

    Read: `data` uint8 (bytes,), UTF-8. `offsets` int64 (texts + 1,). `tables` as `Sketcher.tables`. `size` units in a
    shingle, 1 to `LONGEST_SHINGLE`. `a` and `b` uint32 (permutations,). `rows` minima in a band.

    Written: `units_out` uint32 (texts,). `fingerprints` uint64 (2, texts). `bits` uint64 (words of 64, texts).
    `minima_out` uint32 (texts, permutations), or (0, permutations) when not wanted. `bands` uint64 (bands, texts).
    `doubt` bool (texts,): the text may not be in NFC; then all else about it is void unless it is.
    """
    for some in _batches(offsets[1:] - offsets[:-1] + TEXT_COSTS, BYTES_AT_ONCE):
        texts = _cut(data, offsets[some.start : some.stop + 1], tables, doubt[some])
        total = np.diff(texts.bounds)
        one, two = (_polynomials(texts.units, texts.bounds, base) for base in (ROLL, ROLL_2))
        hashes, bounds = _shingles(texts, size, one)
        none = total == 0
        units_out[some] = np.minimum(total, 0xFFFFFFFF)
        fingerprints[0, some] = fmix64(np.where(none, texts.hashes, one) + total.astype(np.uint64))
        fingerprints[1, some] = fmix64(two + np.where(none, texts.sizes, 0).astype(np.uint64))
        minima = _minima(fmix32((hashes >> np.uint64(32)).astype(np.uint32)), bounds, a, b)
        for k in range(len(bits)):
            word = np.zeros(len(total), dtype=np.uint64)
            for least in minima[64 * k : 64 * k + 64]:
                word = word << ONE | least * np.uint32(0x9E3779B1) >> np.uint32(31)
            bits[k, some] = word
        if len(minima_out):
            minima_out[some] = minima.T
        for band in range(len(bands)):
            h = np.zeros(len(total), dtype=np.uint64)
            for least in minima[band * rows : band * rows + rows]:
                h = fmix64(h * ROLL + least)
            bands[band, some] = h


def shingle_sets(
    data: U8s, offsets: I64s, tables: tuple[Any, ...], size: int, sets: U64s, starts: I64s, doubt: Flags
) -> None:
    """Distinct shingles of each text at sets[starts[i]:starts[i + 1]], in the order in which they first occur.

    Read: as `sketch` does. Written: `sets` uint64, with room for one a byte and one a text. `starts` int64
    (texts + 1,). `doubt` bool (texts,).
    """
    starts[0] = 0
    for some in _batches(offsets[1:] - offsets[:-1] + TEXT_COSTS, BYTES_AT_ONCE):
        texts = _cut(data, offsets[some.start : some.stop + 1], tables, doubt[some])
        hashes, bounds = _shingles(texts, size, _polynomials(texts.units, texts.bounds, ROLL))
        text = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        order = np.lexsort((hashes, text))  # stable: of equal ones the first comes first
        new = np.ones(len(hashes), dtype=np.bool_)
        new[order[1:]] = (hashes[order[1:]] != hashes[order[:-1]]) | (text[order[1:]] != text[order[:-1]])
        first = starts[some.start]
        starts[some.start + 1 : some.stop + 1] = first + np.cumsum(np.bincount(text[new], minlength=len(bounds) - 1))
        sets[first : starts[some.stop]] = hashes[new]


def shingle_runs(
    data: U8s,
    offsets: I64s,
    tables: tuple[Any, ...],
    size: int,
    hashes: U64s,
    starts: I64s,
    units_out: U32s,
    doubt: Flags,
) -> None:
    """All shingles of each text in their order, repeats too, at hashes[starts[i]:starts[i + 1]].

    A text of fewer units than a shingle has gives one of all that it has, a text without any unit none.

    Read: as `sketch` does. Written: `hashes` uint64, with room for one a byte and one a text. `starts` int64
    (texts + 1,). `units_out` uint32 (texts,). `doubt` bool (texts,).
    """
    starts[0] = 0
    for some in _batches(offsets[1:] - offsets[:-1] + TEXT_COSTS, BYTES_AT_ONCE):
        texts = _cut(data, offsets[some.start : some.stop + 1], tables, doubt[some])
        total = np.diff(texts.bounds)
        rolled, bounds = _shingles(texts, size, _polynomials(texts.units, texts.bounds, ROLL))
        kept = np.repeat(total > 0, np.diff(bounds))
        first = starts[some.start]
        starts[some.start + 1 : some.stop + 1] = first + _moved(bounds, kept)[1:]
        hashes[first : starts[some.stop]] = rolled[kept]
        units_out[some] = np.minimum(total, 0xFFFFFFFF)


def look_up(
    hashes: U64s, keys: U64s, seen: U64s, shift: int, starts: I64s, narrow: int, places: I64s, found: I64s
) -> int:
    """Which hashes are among the keys; returns how many.

    Read: `hashes` uint64 (hashes,). `keys` uint64 (keys,), sorted, each once. For the compiled kernel: `seen` uint64,
    bit `key >> shift` set for each key; `starts` int64, where the keys with `key >> narrow` begin, and one more.
    Written: `places` int64, which of the hashes, and `found` int64, which key; room for one a hash.
    """
    if not len(keys):
        return 0
    at = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
    known = np.flatnonzero(keys[at] == hashes)
    places[: len(known)] = known
    found[: len(known)] = at[known]
    return len(known)


def candidates(
    records: I64s, gram: I64s, bounds: I64s, occurrences: I64s, segment_of: I64s, size: int, needed: I64s, spared: I64s,
    record_out: I64s, hit_out: I64s, place_out: I64s,
) -> int:  # fmt: skip
    """Places of n-grams in segments of which enough may stand in a record; returns how many.

    Read, all int64: the hits of record i are records[i]:records[i + 1]. `gram` (hits,), numbers of n-grams. An n-gram
    stands at the places occurrences[bounds[gram]:bounds[gram + 1]], and a place in segment_of[place]. `size` units in
    an n-gram. Of segment s that stands in record i, needed[s] - spared[i] units must be covered by n-grams, 1 at least;
    each n-gram covers `size`, or as many as it lies behind or before the one that comes before it in the record, which
    is as many as it may add or more.

    Written, with room for each place of each hit: `record_out`, `hit_out` (numbers of both) and `place_out`, in the
    order of hits.
    """
    counts = (bounds[1:] - bounds[:-1])[gram]
    hit = np.repeat(np.arange(len(counts)), counts)
    place = occurrences[np.repeat(bounds[gram] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())]
    record = np.repeat(np.arange(len(records) - 1), np.diff(records))[hit]
    pair = record * len(needed) + segment_of[place]
    order = np.argsort(pair, kind="stable")
    covered = np.minimum(np.abs(np.diff(place[order], prepend=-size)), size)
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    covered[starts] = size
    if not len(starts):
        return 0
    sums = np.add.reduceat(covered, starts)
    first = order[starts]
    enough = sums >= np.maximum(needed[segment_of[place[first]]] - spared[record[first]], 1)
    kept = np.empty(len(pair), dtype=np.bool_)
    kept[order] = np.repeat(enough, np.diff(np.append(starts, len(pair))))
    count = int(kept.sum())
    record_out[:count], hit_out[:count], place_out[:count] = record[kept], hit[kept], place[kept]
    return count


def cover(
    pairs: I64s, position: I64s, place: I64s, weight: Floats, begin: I64s, end: I64s, room: I64s, size: I64s,
    own: Floats, found: Floats, whole: Floats, words: I64s, first: I64s, last: I64s,
) -> None:  # fmt: skip
    """How much of a segment stands in a record, in one place: for pairs of a record and a segment.

    Read: the entries of pair p are pairs[p]:pairs[p + 1], one at least: an n-gram that both have, of float64 `weight`,
    at int64 `position` in the record (ascending) and `place` in the segment. The segment's n-grams are
    begin[p]:end[p], with the weights own[begin[p]:end[p]], each over size[p] units. `room`: units of the record, behind
    the first n-gram, in which the others may begin. Of all such windows the first of those that hold the most entries
    is taken. A unit weighs as the heaviest n-gram over it.

    Written, of each pair: `found` and `whole` float64, weight of the units under entries and of all; `words` int64,
    units with weight under entries; `first` and `last`, first unit in the record, and one past the last.
    """
    counts = np.diff(pairs)
    pair = np.repeat(np.arange(len(counts)), counts)
    far = int(position.max(initial=0)) + int(room.max(initial=0)) + 1
    key = pair * far + position
    stop = np.searchsorted(key, key + room[pair], side="right")
    held = stop - np.arange(len(key))
    order = np.lexsort((np.arange(len(key)), -held, pair))
    best = order[pairs[:-1]]
    at = np.arange(len(key))
    kept = (at >= best[pair]) & (at < stop[best][pair])
    units = end - begin + size - 1
    offsets = np.concatenate([[0], np.cumsum(units)])
    lengths = end - begin
    holder = np.repeat(np.arange(len(counts)), lengths)
    inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    all_of = _spread(offsets, holder, inside, own[begin[holder] + inside], size)
    some = _spread(offsets, pair[kept], (place - begin[pair])[kept], weight[kept], size)
    for p in range(len(counts)):
        # Sums one after the other, as the compiled kernel takes them: pairwise ones round otherwise.
        whole[p] = np.cumsum(all_of[offsets[p] : offsets[p + 1]])[-1]
        found[p] = np.cumsum(some[offsets[p] : offsets[p + 1]])[-1]
    words[:] = np.add.reduceat((some > 0).astype(np.int64), offsets[:-1]) if len(counts) else 0
    first[:] = position[best]
    last[:] = position[stop[best] - 1] + size


def plausible(bits: U64s, left: I64s, right: I64s, most: int, result: Flags) -> None:
    """Whether rows left[p] and right[p] differ in `most` of their bits or fewer.

    Read: `bits` uint64 (words of 64, rows), `left` and `right` int64 (pairs,). Written: `result` bool (pairs,).
    """
    for start in range(0, len(left), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        differing = _popcount(bits[:, left[some]] ^ bits[:, right[some]]).sum(axis=0)
        result[some] = differing.astype(np.int64) <= most


def shared(sets: U64s, starts: I64s, ends: I64s, left: I64s, right: I64s, threshold: float, counts: I64s) -> None:
    """How many shingles the sets left[p] and right[p] share; -1 where the threshold is out of reach.

    Read: `sets` uint64, the set of row i without repeats at sets[starts[i]:ends[i]], int64 both. `left` and `right`
    int64 (pairs,). Written: `counts` int64 (pairs,).
    """
    m, n = (ends - starts)[left], (ends - starts)[right]
    # The same steps as the compiled kernel takes, since it is to round the same.
    needed = (m + n) * threshold / (1 + threshold) - 0.5
    spare = (n - needed).astype(np.int64)
    counts[:] = -1
    hopeful = np.flatnonzero((needed <= m) & (needed <= n))
    for some in _batches((m + n)[hopeful], SHINGLES_AT_ONCE):
        pairs = hopeful[some]
        count = _shared(sets, starts[left[pairs]], m[pairs], starts[right[pairs]], n[pairs])
        counts[pairs] = np.where(n[pairs] - count <= spare[pairs], count, -1)


def join(parents: I64s, left: I64s, right: I64s) -> None:
    """Union of the sets of left[e] and right[e], for each e: afterwards parents[i] is the smallest member of i's set.

    `parents` int64 (members,), before and after: no parent is larger than its child. `left` and `right` int64 (edges,).
    """
    left, right = np.concatenate([left, np.arange(len(parents))]), np.concatenate([right, parents])
    parents[:] = np.arange(len(parents))
    while len(left):
        low, high = np.minimum(left, right), np.maximum(left, right)
        np.minimum.at(parents, high, low)
        while (above := parents[parents]).tobytes() != parents.tobytes():
            parents[:] = above
        left, right = parents[left], parents[right]
        apart = left != right
        left, right = left[apart], right[apart]


def line_starts(data: U8s, eights: U64s, starts: U32s) -> int:
    """Where each line begins that holds more than white space (bytes up to 32); returns their number.

    Read: `data` uint8 (bytes,); `eights`, the same memory in 64 bits, is the compiled kernel's. Written: `starts`
    uint32, with room for one to two bytes and one more.
    """
    begins = np.concatenate([[0], np.flatnonzero(data == ord("\n")) + 1])
    begins = begins[begins < len(data)]
    if not len(begins):
        return 0
    begins = begins[np.logical_or.reduceat(data > ord(" "), begins)]
    starts[: len(begins)] = begins
    return len(begins)


def fmix64(h: U64s) -> U64s:
    """MurmurHash3's finalizer of 64 bits."""
    h = h ^ h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h


def fmix32(h: U32s) -> U32s:
    """MurmurHash3's finalizer of 32 bits."""
    h = h ^ h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h


class _Texts(NamedTuple):
    """Some texts, cut."""

    units: U64s
    """Hashes of the units of all."""
    bounds: I64s
    """Shape (texts + 1,): where each text's units begin."""
    hashes: U64s
    """Shape (texts,): hash of the bytes of texts without any unit; what else is there means nothing."""
    sizes: I64s
    """Shape (texts,): bytes."""


def _batches(costs: I64s, most: int) -> Iterator[slice]:
    """Slices of items that cost about `most` together, and hold one item at least."""
    numbers = np.cumsum(costs) // most
    bounds = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    return (slice(int(a), int(b)) for a, b in pairwise(bounds))


def _cut(data: U8s, offsets: I64s, tables: tuple[Any, ...], doubt: Flags) -> _Texts:
    _, _, properties, folded, characters = tables
    data = data[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    points = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), dtype="<u4").astype(np.uint32)
    # Where each text begins, in code points: before the first that starts there or later.
    begins = np.searchsorted(np.flatnonzero(data & 0xC0 != 0x80), offsets)
    known = points < TABLE_SIZE
    seen = np.full(len(points), ALONE | LETTER, dtype=np.uint8)
    seen[points >= COMPATIBILITY] |= UNSURE
    seen[points >= UNSPACED_PLANES_END] = WORD
    seen[known] = properties[points[known]]
    points[known] = folded[points[known]]

    doubt[:] = _per_text(seen & UNSURE != 0, begins) > 0

    # A hyphen sees what comes next even where that is passed over; the last of a text sees nothing.
    before_letter = np.zeros(len(seen), dtype=np.bool_)
    before_letter[:-1] = seen[1:] & LETTER != 0
    last = begins[1:][begins[1:] > begins[:-1]] - 1
    before_letter[last] = False
    kept = seen & KIND != NOTHING
    points, seen, before_letter, begins = points[kept], seen[kept], before_letter[kept], _moved(begins, kept)

    before = np.zeros(len(seen), dtype=np.uint8)
    before[1:] = seen[:-1]
    before[begins[:-1][begins[:-1] < begins[1:]]] = 0
    kind = seen & KIND
    parts = (kind == HYPHEN) & (before & LETTER != 0) & before_letter
    digit = kind == DIGIT
    points[digit] = ord("0")
    kept = ~(digit & (before & KIND == DIGIT))
    kind[digit | (kind == HYPHEN)] = WORD
    kind[parts] = GAP
    points, kind, begins = points[kept], kind[kept], _moved(begins, kept)

    cut = _characters if characters else _words
    units, bounds = cut((points.astype(np.uint64) + ONE) * VALUE, kind, begins)
    hashes = np.zeros(len(doubt), dtype=np.uint64)
    none = bounds[1:] == bounds[:-1]
    if none.any():
        held = np.repeat(none, np.diff(offsets))
        sums = _polynomials(data[held].astype(np.uint64) + ONE, _moved(offsets, held), BASE)
        hashes = fmix64(NONE * _powers(BASE, np.where(none, np.diff(offsets), 0)) + sums)
    return _Texts(units, bounds, hashes, np.diff(offsets))


def _words(values: U64s, kind: U8s, begins: I64s) -> tuple[U64s, I64s]:
    """Words: what stands between gaps, and each character that is alone."""
    opens = kind == WORD
    opens[1:] &= kind[:-1] != WORD
    first = begins[:-1][begins[:-1] < begins[1:]]
    opens[first] = kind[first] == WORD
    opens |= kind == ALONE
    kept = kind != GAP
    starts = np.flatnonzero(opens[kept])
    polynomials = _polynomials(values[kept], np.append(starts, np.count_nonzero(kept)), BASE)
    return fmix64(polynomials), _moved(begins, opens)


def _characters(values: U64s, kind: U8s, begins: I64s) -> tuple[U64s, I64s]:
    """Characters: one space for the gaps between two of them, none at the ends."""
    kept = kind != GAP
    places = np.flatnonzero(kept)
    begins = _moved(begins, kept)
    spaces = np.zeros(len(places), dtype=np.int64)
    spaces[1:] = np.diff(places) > 1
    spaces[begins[:-1][begins[:-1] < begins[1:]]] = 0
    ahead = np.concatenate([[0], np.cumsum(spaces)])
    units = np.repeat(SPACE, len(places) + ahead[-1])
    units[np.arange(len(places)) + ahead[1:]] = values[kept]
    return fmix64(units), begins + ahead[begins]


def _moved(bounds: I64s, kept: Flags) -> I64s:
    """Where bounds come to lie when only what is `kept` stays."""
    return np.searchsorted(np.flatnonzero(kept), bounds)


def _per_text(flags: Flags, bounds: I64s) -> I64s:
    """How many of each text's flags are set."""
    return np.diff(np.searchsorted(np.flatnonzero(flags), bounds))


def _shingles(texts: _Texts, size: int, polynomials: U64s) -> tuple[U64s, I64s]:
    """Shingle hashes of each text in their order, repeats and all, and where each text's begin.

    `polynomials` uint64 (texts,): over all units of a text, with ROLL.
    """
    total = np.diff(texts.bounds)
    counts = np.maximum(total - size + 1, 1)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    hashes = np.empty(bounds[-1], dtype=np.uint64)
    few = total < size
    one = np.ones(len(hashes), dtype=np.bool_)  # a shingle of as many units as it should have
    one[bounds[:-1][few]] = False
    hashes[one] = _windows(texts.units, size)[_inside(texts.bounds, size)]
    hashes[~one] = (FEW * _powers(ROLL, np.where(few, total, 0)) + polynomials)[few]
    hashes = fmix64(hashes)
    hashes[bounds[:-1][total == 0]] = texts.hashes[total == 0]
    return hashes, bounds


def _inside(bounds: I64s, size: int) -> Flags:
    """Which windows of `size` units lie in one text."""
    count = max(int(bounds[-1]) - size + 1, 0)
    crosses = np.zeros(bounds[-1] + 1, dtype=np.int64)
    # Windows that begin less than `size` before a text's end, and in that text, reach beyond it.
    np.add.at(crosses, np.maximum(bounds[1:] - size + 1, bounds[:-1]), 1)
    np.add.at(crosses, bounds[1:], -1)
    inside: Flags = np.cumsum(crosses)[:count] == 0
    return inside


def _windows(units: U64s, size: int) -> U64s:
    """Polynomial over units[j:j + size] for each j, not mixed; by differences of the sums from the start on."""
    count = len(units)
    if count < size:
        return np.empty(0, dtype=np.uint64)
    sums = np.zeros(count + 1, dtype=np.uint64)
    np.cumsum(units * _table(_inverse(int(ROLL)), count), out=sums[1:])
    return (sums[size:] - sums[:-size]) * _table(int(ROLL), count)[size - 1 :]


def _polynomials(values: U64s, bounds: I64s, base: np.uint64) -> U64s:
    """Polynomials: h = h * base + v from 0 on, for v in values[bounds[i]:bounds[i + 1]]: shape (bounds - 1,)."""
    result = np.zeros(len(bounds) - 1, dtype=np.uint64)
    some = bounds[:-1] < bounds[1:]
    if some.any():
        terms = values * _table(_inverse(int(base)), len(values))
        sums = np.add.reduceat(terms, bounds[:-1][some])
        result[some] = sums * _table(int(base), len(values))[bounds[1:][some] - 1]
    return result


def _powers(base: np.uint64, exponents: I64s) -> U64s:
    return _table(int(base), int(exponents.max(initial=0)) + 1)[exponents]


def _table(base: int, count: int) -> U64s:
    """base^0 to base^(count - 1), modulo 2^64."""
    usual = BYTES_AT_ONCE + 1
    return _power_table(base, usual)[:count] if count <= usual else _power_table.__wrapped__(base, count)


@lru_cache(maxsize=8)
def _power_table(base: int, count: int) -> U64s:
    powers = np.full(count, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers, out=powers)


def _inverse(base: int) -> int:
    return pow(base, -1, 1 << 64)


def _minima(shingles: U32s, bounds: I64s, a: U32s, b: U32s) -> U32s:
    """Minimum over each text's shingles x of (a[k] * x + b[k]) modulo 2^32: shape (permutations, texts)."""
    minima = np.empty((len(a), len(bounds) - 1), dtype=np.uint32)
    permuted = np.empty_like(shingles)
    for k in range(len(a)):
        np.multiply(shingles, a[k], out=permuted)
        np.add(permuted, b[k], out=permuted)
        np.minimum.reduceat(permuted, bounds[:-1], out=minima[k])
    return minima


def _spread(offsets: I64s, owner: I64s, first: I64s, weight: Floats, size: I64s) -> Floats:
    """The largest weight over each unit of the owners' segments, which lie on end from `offsets`."""
    result = np.zeros(offsets[-1])
    for step in range(int(size.max(initial=0))):
        inside = step < size[owner]
        np.maximum.at(result, (offsets[owner] + first + step)[inside], weight[inside])
    return result


def _popcount(x: U64s) -> U64s:
    """Bits that are set. Source: Warren, Hacker's Delight, figure 5-2."""
    x = x - (x >> ONE & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + (x >> np.uint64(2) & np.uint64(0x3333333333333333))
    x = x + (x >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return x * np.uint64(0x0101010101010101) >> np.uint64(56)


def _shared(sets: U64s, left: I64s, m: I64s, right: I64s, n: I64s) -> I64s:
    """How many hashes sets[left[p]:left[p] + m[p]] and sets[right[p]:right[p] + n[p]] share."""
    counts = np.concatenate([m, n])
    pair = np.repeat(np.tile(np.arange(len(m)), 2), counts)
    # Sets without repeats: a hash that stands twice in a pair stands in both.
    place = np.arange(len(pair)) + np.repeat(np.concatenate([left, right]) - np.cumsum(counts) + counts, counts)
    hashes = sets[place]
    order = np.lexsort((hashes, pair))
    hashes, pair = hashes[order], pair[order]
    twice = (hashes[1:] == hashes[:-1]) & (pair[1:] == pair[:-1])
    return np.bincount(pair[1:][twice], minlength=len(m))
