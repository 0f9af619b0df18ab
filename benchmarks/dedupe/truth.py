"""The truth: every pair of documents whose sets of 5-word shingles are alike, by exact Jaccard similarity.

No MinHash and nothing of the engine that is measured. It is a set-similarity join with a prefix filter, which finds
every pair: order all shingles by rarity, and two sets of similarity t or more share one among the first
n - ceil(t n) + 1 of each (n its size). Shingles of one document only cannot be shared, so their number is enough.

    texts ─▶ words ─▶ 64-bit shingle hashes ─▶ those in two documents or more, rarest first
      ─▶ documents that share one in their prefixes ─▶ exact similarity of each such pair

Source: Chaudhuri, Ganti, Kaushik, A primitive operator for similarity joins in data cleaning, ICDE 2006; Bayardo, Ma,
Srikant, Scaling up all pairs similarity search, WWW 2007.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.text.normalise import normalised
from instructkit.text.words import runs

SHINGLE = 5
BLOCK = 10_000
"""Documents cut into shingles at a time."""
CUTS = {
    # Of datasketch, rensa and daft, as their examples do it: lower case, cut at white space.
    "white space": pl.col("text").str.to_lowercase().str.extract_all(r"\S+"),
    # Of gaoya's word analyzer: ASCII punctuation cuts too.
    "gaoya": pl.col("text").str.to_lowercase().str.extract_all(r"[^\s!-/:-@\[-`{-~]+"),
    # Of instructkit by default: case and punctuation do not count, but for the signs of arithmetic.
    "instructkit": runs(normalised(pl.col("text"), ("case", "punctuation", "whitespace"))),
}
"""Ways to cut a text into words; each has its own truth."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, of the golden ratio (splitmix64)

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Shingle sets without the shingles that no other set holds, as one array with offsets."""

    sizes: Ints
    """Shingles of each set, the unshared included."""
    shared: npt.NDArray[np.int32]
    """Ranks by rarity of the shared shingles, ascending within each set."""
    offsets: Ints
    """Set i is shared[offsets[i] : offsets[i + 1]]."""


def true_pairs(texts: pl.Series, cut: str, threshold: float) -> pl.DataFrame:
    """Columns a < b (Int64, places in `texts`) and similarity of all pairs with at least that similarity."""
    sets = shared_shingles(texts, cut)
    found: list[tuple[Ints, Ints, npt.NDArray[np.float64]]] = [(np.empty(0, np.int64),) * 2 + (np.empty(0),)]
    mark = np.zeros(int(sets.shared.max(initial=-1)) + 1, dtype=bool)
    for a, others in _candidates(sets, threshold):
        mine = sets.shared[sets.offsets[a] : sets.offsets[a + 1]]
        mark[mine] = True
        index, starts = _ranges(sets.offsets[others], sets.offsets[others + 1])
        both = np.add.reduceat(mark[sets.shared[index]], starts, dtype=np.int64)
        mark[mine] = False
        similarity = both / (sets.sizes[a] + sets.sizes[others] - both)
        alike = similarity >= threshold
        found.append((np.full(int(alike.sum()), a), others[alike], similarity[alike]))
    columns = (np.concatenate(part) for part in zip(*found, strict=True))
    return pl.DataFrame(dict(zip(("a", "b", "similarity"), columns, strict=True)))


def cached_pairs(path: Path, digest: str, cut: str, threshold: float, cache: Path) -> pl.DataFrame:
    """`true_pairs` of a JSON Lines file with that content, computed once."""
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{digest}-{cut.replace(' ', '-')}-{threshold:g}-v{VERSION}.parquet"
    if not file.exists():
        texts = pl.read_ndjson(path, schema={"id": pl.String, "text": pl.String})["text"]
        part = file.with_suffix(".part")
        true_pairs(texts, cut, threshold).write_parquet(part)
        part.rename(file)
    return pl.read_parquet(file)


VERSION = 1
"""Raise it when the truth changes."""


def shared_shingles(texts: pl.Series, cut: str) -> Sets:
    """The shingle sets of texts (String, no nulls)."""
    blocks = [_shingles(texts[i : i + BLOCK], cut) for i in range(0, len(texts), BLOCK)]
    hashes = np.concatenate([h for h, _ in blocks]) if blocks else np.empty(0, np.uint64)
    sizes = np.concatenate([n for _, n in blocks]) if blocks else np.empty(0, np.int64)
    _, which, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int32)
    rank[np.argsort(counts, kind="stable")] = np.arange(-int((counts < 2).sum()), int((counts >= 2).sum()))
    ranks = rank[which]
    document = np.repeat(np.arange(len(sizes)), sizes)[ranks >= 0]
    keys = np.sort((document << 32) | ranks[ranks >= 0])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(document, minlength=len(sizes)))])
    return Sets(sizes=sizes, shared=(keys & 0xFFFFFFFF).astype(np.int32), offsets=offsets)


def _shingles(texts: pl.Series, cut: str) -> tuple[Hashes, Ints]:
    """(hashes of the shingles, each once a text; how many each text has).

    A text of fewer words than a shingle has one, all of it; one without any word has itself.
    """
    words = pl.DataFrame({"text": texts}).select(words=CUTS[cut])["words"]
    lengths = words.list.len().to_numpy().astype(np.int64)
    hashes = words.explode().drop_nulls().hash(1).to_numpy()
    document = np.repeat(np.arange(len(texts)), lengths)
    count = max(0, len(hashes) - SHINGLE + 1)
    rolled = np.zeros(count, dtype=np.uint64)
    for i in range(SHINGLE):
        rolled = _mixed(rolled * MULTIPLIER + hashes[i : i + count])
    inside = document[:count] == document[SHINGLE - 1 :]
    frame = pl.DataFrame({"document": document[:count][inside], "shingle": rolled[inside]})
    whole = texts.str.to_lowercase().hash(2).to_numpy()
    ends = np.cumsum(lengths)
    for i in np.flatnonzero(lengths < SHINGLE).tolist():
        own = whole[i] if not lengths[i] else _whole(hashes[ends[i] - lengths[i] : ends[i]])
        frame.extend(pl.DataFrame({"document": [i], "shingle": [own]}, schema=frame.schema))
    frame = frame.unique().sort("document")
    sizes = np.bincount(frame["document"].to_numpy(), minlength=len(texts)).astype(np.int64)
    return frame["shingle"].to_numpy(), sizes


def _whole(hashes: Hashes) -> np.uint64:
    """Hash of a short text; not that of any shingle of full size."""
    state = np.full(1, len(hashes), dtype=np.uint64)
    for i in range(len(hashes)):
        state = _mixed(state * MULTIPLIER + hashes[i])
    return np.uint64(state[0])


def _mixed(values: Hashes) -> Hashes:
    """Finaliser of splitmix64: every bit depends on every bit, so order within a shingle counts."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _candidates(sets: Sets, threshold: float) -> Iterator[tuple[int, Ints]]:
    """(a document, those behind it that share a shingle of their prefixes and are not too long or short)."""
    # A hair below, so that rounding makes a prefix longer, never shorter.
    prefix = sets.sizes - np.ceil(threshold * sets.sizes - 1e-6).astype(np.int64) + 1
    kept = np.diff(sets.offsets)
    length = np.clip(prefix - (sets.sizes - kept), 0, kept)
    index, _ = _ranges(sets.offsets[:-1], sets.offsets[:-1] + length)
    document = np.repeat(np.arange(len(kept)), length)
    shingle = sets.shared[index]
    order = np.argsort(shingle, kind="stable")  # documents ascend within a posting list
    posted = document[order]
    limits = np.searchsorted(shingle[order], np.arange(int(sets.shared.max(initial=-1)) + 2))
    starts = np.concatenate([[0], np.cumsum(length)])
    for a in np.flatnonzero(length):
        mine = shingle[starts[a] : starts[a + 1]]
        near, _ = _ranges(limits[mine], limits[mine + 1])
        others = posted[near]
        others = np.unique(others[others > a])
        small, large = np.minimum(sets.sizes[others], sets.sizes[a]), np.maximum(sets.sizes[others], sets.sizes[a])
        others = others[small >= threshold * large - 1e-6]
        if len(others):
            yield int(a), others


def _ranges(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """(the numbers of all ranges start ... end - 1 in a row, where each range begins in it)."""
    lengths = ends - starts
    begins = np.cumsum(lengths) - lengths
    return np.repeat(starts - begins, lengths) + np.arange(int(lengths.sum())), begins
