"""The kernels: from UTF-8 bytes to shingles, minima and band hashes, compiled by numba.

    bytes ── cut ──▶ unit hashes ── roll ──▶ shingle hashes ─┬─ permute, keep minima ── fold ──▶ band hashes
                                                             ├─ collect distinct ──▶ shingle sets
                                                             └─ look up ──▶ those that a table knows

One pass over the bytes and no object for a word; workspaces of fixed size, however long a text is. All arithmetic is
modulo 2^64 or 2^32, so that `numpy_kernels` comes to the same in other steps. All code that is compiled lies in this
file, since numba's cache on disk notices a change in no other; for the numbers from other files see `NUMBERS`.

A unit is a word or a character. Its hash is a polynomial over the code points that it reads as, then mixed:

    h = h * BASE + (code point + 1) * VALUE        unit = fmix64(h)

Sources: Broder, On the resemblance and containment of documents, 1997 (shingles, minima); datasketch 2.0, scheme
affine32 (fmix32, then a*x + b modulo 2^32); fmix32 and fmix64 are the finalizers of MurmurHash3 (A. Appleby).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

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
from instructkit.minhash.constants import BASE, CHUNK, FEW, LONGEST_SHINGLE, NONE, ROLL, ROLL_2, VALUE

NUMBERS = "e8e34589744dec49ec747c8354fd51d7"
"""Hash of the numbers above that are compiled in: who changes one must change this line, and numba's cache is void."""

U8, U32, U64, I64 = np.uint8, np.uint32, np.uint64, np.int64
ZERO, ONE, TWO, THREE, FOUR = U64(0), U64(1), U64(2), U64(3), U64(4)
SPACE, NOUGHT = U32(ord(" ")), U32(ord("0"))

# What `cut` must know of the text before the chunk: the unit under way, whether there is one, the property of the last
# character, whether a gap between characters is due (0: at the start, 1: no, 2: yes), whether the text may not be NFC.
HASH, INSIDE, BEFORE, DUE, DOUBT = range(5)


def kept_on_disk(function: Callable[..., Any]) -> Any:
    """Compile a function for its first call, and for those of later processes.

    Where there is no folder to write to, neither beside this file nor in the user's cache, each process compiles anew
    (10 seconds); the variable NUMBA_CACHE_DIR names another folder.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@njit(inline="always")
def fmix64(h: Any) -> Any:
    """MurmurHash3's finalizer of 64 bits."""
    h ^= h >> U64(33)
    h *= U64(0xFF51AFD7ED558CCD)
    h ^= h >> U64(33)
    h *= U64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> U64(33))


@njit(inline="always")
def fmix32(h: Any) -> Any:
    """MurmurHash3's finalizer of 32 bits."""
    h = U32(h ^ (h >> U32(16)))
    h = U32(h * U32(0x85EBCA6B))
    h = U32(h ^ (h >> U32(13)))
    h = U32(h * U32(0xC2B2AE35))
    return U32(h ^ (h >> U32(16)))


@njit(inline="always")
def decode(data: Any, at: Any) -> Any:
    """The code point at `at` and the position behind it."""
    c = U32(data[at])
    if c < 0x80:
        return c, at + ONE
    if c < 0xE0:
        return (c & U32(0x1F)) << U32(6) | (data[at + ONE] & U32(0x3F)), at + TWO
    high = (c & U32(0x0F)) << U32(12) | (data[at + ONE] & U32(0x3F)) << U32(6)
    if c < 0xF0:
        return high | (data[at + TWO] & U32(0x3F)), at + THREE
    high = (high & U32(0x7FFF)) << U32(6) | (data[at + TWO] & U32(0x3F)) << U32(6)
    return high | (data[at + THREE] & U32(0x3F)), at + FOUR


@njit(inline="always")
def property_of(code: Any, properties: Any) -> Any:
    """What `code_points` says of a character, and beyond its tables what Unicode says of the planes."""
    if code < TABLE_SIZE:
        return properties[code]
    if code < COMPATIBILITY:
        return U8(ALONE | LETTER)
    return U8(ALONE | LETTER | UNSURE if code < UNSPACED_PLANES_END else WORD)


@njit(nogil=True)
def cut(data: Any, begin: Any, start: Any, stop: Any, end: Any, state: Any, tables: Any, units: Any, held: Any) -> Any:
    """Cut the bytes from `start` to `stop` or just behind it; the text lies from `begin` to `end`.

    Hashes of whole units, not mixed yet, go to units[held:], the one under way to the place behind them.
    Returns the position reached and the number of units in place.
    """
    base_of, value_of, properties, folded, characters = tables
    # Unsigned, so that no index is looked at for being negative.
    at, stop, end, filled = U64(start), U64(stop), U64(end), U64(held)
    h = state[HASH]
    inside = state[INSIDE]
    before = state[BEFORE]
    while at < stop:
        c = data[at]
        base = base_of[c]
        if base != ONE:
            # Nearly all text, and without a branch at the ends of words: a gap's base is 0, which ends the polynomial.
            h = h * base + value_of[c]
            word = U64(base != ZERO)
            filled += inside & (word ^ ONE)
            units[filled] = h
            inside = word
            at += ONE
            continue
        if at > U64(begin) and data[at - ONE] < 0x80:
            before = U64(properties[data[at - ONE]])
        code, at = decode(data, at)
        seen = property_of(code, properties)
        if code < TABLE_SIZE:
            code = folded[code]
        if seen & UNSURE:
            state[DOUBT] = ONE
        kind = seen & KIND
        if kind == NOTHING:
            continue
        if kind == HYPHEN:
            kind = WORD
            if before & U64(LETTER) and at < end:
                following, _ = decode(data, at)
                if property_of(following, properties) & LETTER:
                    kind = GAP
        elif kind == DIGIT:
            if before & U64(KIND) == U64(DIGIT):
                continue
            kind = WORD
            code = NOUGHT
        before = U64(seen)
        value = (U64(code) + ONE) * VALUE
        if characters:
            if kind == GAP:
                state[DUE] = min(state[DUE] * TWO, TWO)
            else:
                if state[DUE] == TWO:
                    units[filled] = (U64(SPACE) + ONE) * VALUE
                    filled += ONE
                state[DUE] = ONE
                units[filled] = value
                filled += ONE
        elif kind == WORD:
            h = h * BASE + value
            units[filled] = h
            inside = ONE
        else:
            filled += inside
            h = ZERO
            inside = ZERO
            if kind == ALONE:
                units[filled] = value
                filled += ONE
    state[HASH] = h
    state[INSIDE] = inside
    state[BEFORE] = before
    if at >= end:
        filled += inside
    return I64(at), I64(filled)


@njit(inline="always")
def roll(units: Any, first: Any, count: Any, start: Any) -> Any:
    """Hash of units[first:first + count]: their polynomial, mixed."""
    s = start
    for t in range(count):
        s = s * ROLL + units[first + t]
    return fmix64(s)


@njit(inline="always")
def roll_all(units: Any, count: Any, size: Any, rolled: Any) -> None:
    """rolled[j] = what `roll` makes of units[j:j + size], before it is mixed, from what it made of those before."""
    top = ONE
    s = ZERO
    for t in range(size):
        top *= ROLL
        s = s * ROLL + units[t]
    rolled[0] = s
    for j in range(1, count):
        s = s * ROLL + (units[j + size - 1] - units[j - 1] * top)
        rolled[j] = s


@njit(nogil=True)
def hash_bytes(data: Any, start: Any, end: Any) -> Any:
    """Hash of a text without any unit."""
    h = NONE
    for at in range(start, end):
        h = h * BASE + U64(data[at]) + ONE
    return fmix64(h)


@njit(nogil=True)
def lower(minima: Any, a: Any, b: Any, shingles: Any, count: Any) -> None:
    """minima[k] = min over the shingles x of (a[k] * x + b[k]) modulo 2^32, if that is lower."""
    for k in range(len(a)):
        least = minima[k]
        a_k = a[k]
        b_k = b[k]
        for j in range(count):
            least = min(least, U32(U32(a_k * shingles[j]) + b_k))
        minima[k] = least


@kept_on_disk
def sketch(
    data: Any, offsets: Any, tables: Any, size: Any, a: Any, b: Any,
    units_out: Any, fingerprints: Any, bits: Any, minima_out: Any, bands: Any, rows: Any, doubt: Any,
) -> None:  # fmt: skip
    """Sketch the texts data[offsets[i]:offsets[i + 1]]; see `numpy_kernels.sketch`."""
    units = np.empty(CHUNK + LONGEST_SHINGLE + 8, dtype=np.uint64)
    rolled = np.empty(CHUNK + LONGEST_SHINGLE + 8, dtype=np.uint64)
    shingles = np.empty(CHUNK + LONGEST_SHINGLE + 8, dtype=np.uint32)
    state = np.empty(5, dtype=np.uint64)
    minima = np.empty(len(a), dtype=np.uint32)
    for i in range(len(offsets) - 1):
        at = offsets[i]
        end = offsets[i + 1]
        state[:] = ZERO
        minima[:] = U32(0xFFFFFFFF)
        total = 0
        carried = 0
        one = ZERO
        two = ZERO
        while at < end:
            at, filled = cut(data, offsets[i], at, min(at + CHUNK, end), end, state, tables, units, carried)
            under_way = units[filled]
            # A loop for each thing: those without a chain from step to step become vector instructions.
            for j in range(carried, filled):
                units[j] = fmix64(units[j])
            for j in range(carried, filled):
                one = one * ROLL + units[j]
                two = two * ROLL_2 + units[j]
            total += filled - carried
            count = max(filled - size + 1, 0)
            if count:
                roll_all(units, count, size, rolled)
            for j in range(count):
                shingles[j] = fmix32(U32(fmix64(rolled[j]) >> U64(32)))
            lower(minima, a, b, shingles, count)
            carried = filled - count
            for j in range(carried):
                units[j] = units[count + j]
            units[carried] = under_way
        if total < size:
            if total == 0:
                one = hash_bytes(data, offsets[i], end)
                shingles[0] = fmix32(U32(one >> U64(32)))
            else:
                shingles[0] = fmix32(U32(roll(units, 0, total, FEW) >> U64(32)))
            lower(minima, a, b, shingles, 1)
        units_out[i] = U32(min(total, 0xFFFFFFFF))
        fingerprints[0, i] = fmix64(one + U64(total))
        fingerprints[1, i] = fmix64(two + (U64(end - offsets[i]) if total == 0 else ZERO))
        doubt[i] = state[DOUBT] != ZERO
        for k in range(bits.shape[0]):
            word = ZERO
            for j in range(64 * k, min(64 * k + 64, len(a))):
                word = word << ONE | U64(U32(minima[j] * U32(0x9E3779B1)) >> U32(31))
            bits[k, i] = word
        if minima_out.shape[0]:
            minima_out[i, :] = minima
        for band in range(len(bands)):
            h = ZERO
            for row in range(rows):
                h = fmix64(h * ROLL + U64(minima[band * rows + row]))
            bands[band, i] = h


@njit(inline="always")
def popcount(x: Any) -> Any:
    """Bits that are set. Source: Warren, Hacker's Delight, figure 5-2; LLVM knows it as one instruction."""
    x = x - ((x >> ONE) & U64(0x5555555555555555))
    x = (x & U64(0x3333333333333333)) + ((x >> TWO) & U64(0x3333333333333333))
    x = (x + (x >> U64(4))) & U64(0x0F0F0F0F0F0F0F0F)
    return I64((x * U64(0x0101010101010101)) >> U64(56))


@njit(nogil=True)
def find_slot(keys: Any, stamps: Any, stamp: Any, mask: Any, key: Any) -> Any:
    """Where a key is in the open-addressing table, or belongs: linear probing from its low bits."""
    slot = I64(key & U64(mask))
    while stamps[slot] == stamp and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kept_on_disk
def shingle_sets(data: Any, offsets: Any, tables: Any, size: Any, sets: Any, starts: Any, doubt: Any) -> None:
    """Distinct shingles of each text at sets[starts[i]:starts[i + 1]]; `sets` has room for one a byte and text."""
    units = np.empty(CHUNK + LONGEST_SHINGLE + 8, dtype=np.uint64)
    state = np.empty(5, dtype=np.uint64)
    keys = np.empty(4096, dtype=np.uint64)
    stamps = np.full(4096, -1, dtype=np.int64)
    starts[0] = 0
    for i in range(len(offsets) - 1):
        at = offsets[i]
        end = offsets[i + 1]
        state[:] = ZERO
        first = starts[i]
        last = first
        total = 0
        carried = 0
        while at < end:
            at, filled = cut(data, offsets[i], at, min(at + CHUNK, end), end, state, tables, units, carried)
            under_way = units[filled]
            for j in range(carried, filled):
                units[j] = fmix64(units[j])
            total += filled - carried
            count = max(filled - size + 1, 0)
            if count:
                roll_all(units, count, size, sets[last:])
            for j in range(last, last + count):
                sets[j] = fmix64(sets[j])
            last += count
            carried = filled - count
            for j in range(carried):
                units[j] = units[count + j]
            units[carried] = under_way
        if total < size:
            sets[first] = hash_bytes(data, offsets[i], end) if total == 0 else roll(units, 0, total, FEW)
            last = first + 1
        doubt[i] = state[DOUBT] != ZERO
        if 2 * (last - first) > len(keys):
            room = len(keys)
            while room < 2 * (last - first):
                room *= 2
            keys = np.empty(room, dtype=np.uint64)
            stamps = np.full(room, -1, dtype=np.int64)
        mask = 64
        while mask < 2 * (last - first):
            mask *= 2
        mask -= 1
        kept = first
        for j in range(first, last):
            slot = find_slot(keys, stamps, i, mask, sets[j])
            if stamps[slot] != i:
                stamps[slot] = i
                keys[slot] = sets[j]
                sets[kept] = sets[j]
                kept += 1
        starts[i + 1] = kept


@kept_on_disk
def shingle_runs(
    data: Any, offsets: Any, tables: Any, size: Any, hashes: Any, starts: Any, units_out: Any, doubt: Any
) -> None:
    """All shingles of each text in their order, repeats too; see `numpy_kernels.shingle_runs`."""
    units = np.empty(CHUNK + LONGEST_SHINGLE + 8, dtype=np.uint64)
    state = np.empty(5, dtype=np.uint64)
    starts[0] = 0
    for i in range(len(offsets) - 1):
        at = offsets[i]
        end = offsets[i + 1]
        state[:] = ZERO
        last = starts[i]
        total = 0
        carried = 0
        while at < end:
            at, filled = cut(data, offsets[i], at, min(at + CHUNK, end), end, state, tables, units, carried)
            under_way = units[filled]
            for j in range(carried, filled):
                units[j] = fmix64(units[j])
            total += filled - carried
            count = max(filled - size + 1, 0)
            if count:
                roll_all(units, count, size, hashes[last:])
            for j in range(last, last + count):
                hashes[j] = fmix64(hashes[j])
            last += count
            carried = filled - count
            for j in range(carried):
                units[j] = units[count + j]
            units[carried] = under_way
        if 0 < total < size:
            hashes[last] = roll(units, 0, total, FEW)
            last += 1
        units_out[i] = U32(min(total, 0xFFFFFFFF))
        doubt[i] = state[DOUBT] != ZERO
        starts[i + 1] = last


@kept_on_disk
def look_up(hashes: Any, keys: Any, seen: Any, shift: Any, starts: Any, narrow: Any, places: Any, found: Any) -> Any:
    """Which hashes are among the sorted keys; see `numpy_kernels.look_up`.

    Nearly all are not, and one bit of a map tells; of the others the upper bits name the few keys to compare with.
    """
    shift = U64(shift)
    narrow = U64(narrow)
    count = 0
    for j in range(len(hashes)):
        h = hashes[j]
        place = h >> shift
        if (seen[place >> U64(6)] >> (place & U64(63))) & ONE:
            bucket = h >> narrow
            for k in range(starts[bucket], starts[bucket + ONE]):
                if keys[k] == h:
                    places[count] = j
                    found[count] = k
                    count += 1
                    break
    return count


@kept_on_disk
def candidates(
    records: Any, gram: Any, bounds: Any, occurrences: Any, segment_of: Any, size: Any, needed: Any, spared: Any,
    record_out: Any, hit_out: Any, place_out: Any,
) -> Any:  # fmt: skip
    """Places of n-grams in segments of which enough may stand in a record; see `numpy_kernels.candidates`."""
    stamps = np.full(len(needed), -1, dtype=np.int64)
    before = np.empty(len(needed), dtype=np.int64)
    covered = np.empty(len(needed), dtype=np.int64)
    count = 0
    for r in range(len(records) - 1):
        for i in range(records[r], records[r + 1]):
            for o in range(bounds[gram[i]], bounds[gram[i] + 1]):
                place = occurrences[o]
                s = segment_of[place]
                if stamps[s] != r:
                    stamps[s] = r
                    covered[s] = 0
                    before[s] = place - size
                covered[s] += min(abs(place - before[s]), size)
                before[s] = place
        for i in range(records[r], records[r + 1]):
            for o in range(bounds[gram[i]], bounds[gram[i] + 1]):
                place = occurrences[o]
                s = segment_of[place]
                if covered[s] >= max(needed[s] - spared[r], 1):
                    record_out[count] = r
                    hit_out[count] = i
                    place_out[count] = place
                    count += 1
    return count


@kept_on_disk
def cover(
    pairs: Any, position: Any, place: Any, weight: Any, begin: Any, end: Any, room: Any, size: Any, own: Any,
    found: Any, whole: Any, words: Any, first: Any, last: Any,
) -> None:  # fmt: skip
    """How much of a segment stands in a record, in one place; see `numpy_kernels.cover`."""
    best = np.zeros(64, dtype=np.float64)
    for p in range(len(pairs) - 1):
        low = pairs[p]
        most = 0
        right = low
        for left in range(pairs[p], pairs[p + 1]):
            while right < pairs[p + 1] and position[right] <= position[left] + room[p]:
                right += 1
            if right - left > most:
                most = right - left
                low = left
        length = end[p] - begin[p]
        units = length + size[p] - 1
        if len(best) < units:
            best = np.zeros(2 * units, dtype=np.float64)
        best[:units] = 0.0
        for j in range(length):
            for k in range(j, j + size[p]):
                best[k] = max(best[k], own[begin[p] + j])
        total = 0.0
        for k in range(units):
            total += best[k]
        best[:units] = 0.0
        for e in range(low, low + most):
            at = place[e] - begin[p]
            for k in range(at, at + size[p]):
                best[k] = max(best[k], weight[e])
        part = 0.0
        number = 0
        for k in range(units):
            part += best[k]
            number += best[k] > 0
        found[p] = part
        whole[p] = total
        words[p] = number
        first[p] = position[low]
        last[p] = position[low + most - 1] + size[p]


@kept_on_disk
def plausible(bits: Any, left: Any, right: Any, most: Any, result: Any) -> None:
    """Whether rows left[p] and right[p] differ in `most` of their bits or fewer."""
    for p in range(len(left)):
        differing = 0
        for k in range(bits.shape[0]):
            differing += popcount(bits[k, left[p]] ^ bits[k, right[p]])
        result[p] = differing <= most


@njit(nogil=True)
def take_places(sets: Any, first: Any, last: Any, places: Any, shift: Any) -> Any:
    """Give each shingle of a set the place of its upper bits; returns how many another one has driven out of theirs."""
    places[:] = 0
    for j in range(first, last):
        places[sets[j] >> shift] = j - first
    return last - first - in_place(sets, first, first, last, places, shift)


@njit(nogil=True)
def in_place(sets: Any, first: Any, begin: Any, end: Any, places: Any, shift: Any) -> Any:
    """How many of sets[begin:end] are the shingle that has their place; without a branch."""
    count = I64(0)
    first = U64(first)
    for j in range(U64(begin), U64(end)):
        count += I64(sets[first + places[sets[j] >> shift]] == sets[j])
    return count


@njit(nogil=True)
def find_room(sets: Any, first: Any, last: Any, places: Any, shift: Any, keys: Any, stamps: Any, stamp: Any) -> None:
    """Put the shingles without a place into a table with open addressing."""
    for j in range(first, last):
        shingle = sets[j]
        if sets[first + I64(places[shingle >> shift])] != shingle:
            slot = find_slot(keys, stamps, stamp, len(stamps) - 1, shingle)
            stamps[slot] = stamp
            keys[slot] = shingle


@njit(nogil=True)
def out_of_place(
    sets: Any, first: Any, begin: Any, end: Any, places: Any, shift: Any, keys: Any, stamps: Any, stamp: Any
) -> Any:
    """How many of sets[begin:end] are in that table."""
    count = 0
    others = (ONE << shift) - ONE
    for j in range(begin, end):
        shingle = sets[j]
        # Another shingle has its place, when the two differ in their lower bits only, and do differ.
        if (sets[first + I64(places[shingle >> shift])] ^ shingle) - ONE < others:
            count += stamps[find_slot(keys, stamps, stamp, len(stamps) - 1, shingle)] == stamp
    return count


@kept_on_disk
def shared(sets: Any, starts: Any, ends: Any, left: Any, right: Any, threshold: Any, counts: Any) -> None:
    """How many shingles the sets left[p] and right[p] share; -1 where the threshold is out of reach.

    To reach t, sets of m and n must share (m + n) * t / (1 + t). Nearly all shingles of the left set have a place of
    their own in a map of 8 m or more, which tells without a branch whether the right set has them; the few others are
    looked up only for pairs that they could bring to the threshold. Quick where equal `left` stand together.
    """
    places = np.empty(4096, dtype=np.uint32)
    shift = U64(52)
    keys = np.empty(64, dtype=np.uint64)
    stamps = np.full(64, -1, dtype=np.int64)
    placed = -1
    roomed = -1
    without = 0
    for p in range(len(left)):
        first = starts[left[p]]
        last = ends[left[p]]
        begin = starts[right[p]]
        end = ends[right[p]]
        size = end - begin
        counts[p] = -1
        # Half a shingle below what is asked: rounding decides nothing here, the caller compares again.
        needed = (last - first + size) * threshold / (1 + threshold) - 0.5
        spare = I64(size - needed)
        if needed > last - first or needed > size:
            continue
        if placed < 0 or left[p] != left[placed]:
            placed = p
            roomed = -1
            while len(places) < 8 * (last - first):
                places = np.empty(2 * len(places), dtype=np.uint32)
                shift -= ONE
            without = take_places(sets, first, last, places, shift)
        same = in_place(sets, first, begin, end, places, shift) if last > first else 0
        if size - same - without > spare:
            continue
        if without:
            if roomed < 0:
                roomed = p
                if 2 * without > len(stamps):
                    room = len(stamps)
                    while room < 2 * without:
                        room *= 2
                    keys = np.empty(room, dtype=np.uint64)
                    stamps = np.full(room, -1, dtype=np.int64)
                find_room(sets, first, last, places, shift, keys, stamps, roomed)
            same += out_of_place(sets, first, begin, end, places, shift, keys, stamps, roomed)
        if size - same <= spare:
            counts[p] = same


@njit(inline="always")
def root_of(parents: Any, member: Any) -> Any:
    """The smallest member of a set; halves the path to it for who comes next."""
    while parents[member] != member:
        parents[member] = parents[parents[member]]
        member = parents[member]
    return member


@kept_on_disk
def join(parents: Any, left: Any, right: Any) -> None:
    """Union-find: afterwards parents[i] is the smallest member of the set of i."""
    for e in range(len(left)):
        a = root_of(parents, left[e])
        b = root_of(parents, right[e])
        if a < b:
            parents[b] = a
        elif b < a:
            parents[a] = b
    for i in range(len(parents)):
        parents[i] = parents[parents[i]]  # a parent is smaller, so it has its root already


@kept_on_disk
def line_starts(data: Any, eights: Any, starts: Any) -> Any:
    """Where each line begins that holds more than white space; returns their number.

    `eights` is the same memory as 64-bit numbers, without the last bytes that fill none: a number holds a line end when
    a byte of (number XOR line ends) is 0 (Hacker's Delight, section 6-1).
    """
    count = 0
    at = 0
    end = len(data)
    while at < end:
        begin = at
        while at < end and data[at] <= 32 and data[at] != 10:
            at += 1
        if at < end and data[at] != 10:
            starts[count] = begin
            count += 1
            while at < end and data[at] != 10:
                at += 1
                if at % 8 == 0:
                    k = at // 8
                    while k < len(eights):
                        x = eights[k] ^ U64(0x0A0A0A0A0A0A0A0A)
                        if (x - U64(0x0101010101010101)) & ~x & U64(0x8080808080808080):
                            break
                        k += 1
                    at = 8 * k
        at += 1
    return count
