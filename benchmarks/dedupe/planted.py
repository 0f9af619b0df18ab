"""The corpus of the comparison: pieces of this machine's text, and edited copies of some of them.

    pieces of ~1.8 kB, each once ──┬──────────────────────────────────────┐
                                   └─▶ 12 %: a copy, 1 to 15 % of its      ├─▶ in the order of ids
                                       words replaced, deleted, inserted ──┘

Half of the copies are edited word by word all over, the other half in one passage: with shingles of 5 words a scattered
edit costs five times the similarity of a passage of the same length, so both sides of a threshold are populated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from instructkit.hashing import file_digest, record_hash, uniform

COPIES = 0.12
"""Share of the documents that are edited copies of others."""
LEAST, MOST = 0.01, 0.15
"""Share of a copy's words that are edited."""
SEED = 17
WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A corpus on disk: JSON Lines with `id` and `text`."""

    path: Path
    ids: list[str]
    """In the order of the file."""
    copies: list[tuple[int, int]]
    """(place of a copy, place of what it was made of) in the file."""
    megabytes: float
    """Of text, in 10^6 bytes."""
    digest: str

    def mark(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Pairs of places a < b with one more column, `planted`: whether one is the copy of the other."""
        places = [sorted(pair) for pair in self.copies]
        copies = pl.DataFrame(places, schema={"a": pl.Int64, "b": pl.Int64}, orient="row")
        return pairs.join(copies.with_columns(planted=True), on=["a", "b"], how="left").with_columns(
            pl.col("planted").fill_null(False)
        )


def plant(pieces: Sequence[str], size: int, path: Path) -> Planted:
    """Write a corpus of `size` documents from the first pieces; the same at every call.

    Takes (1 - `COPIES`) * size pieces. Raises ValueError where there are fewer.
    """
    copies = round(COPIES * size)
    originals = pieces[: size - copies]
    if len(originals) < size - copies:
        raise ValueError(f"{size} documents need {size - copies} pieces, found {len(originals)}")
    sources = [int(_uniform("source", copy) * len(originals)) for copy in range(copies)]
    texts = [*originals, *(edited(originals[s], _donor(originals, copy), copy) for copy, s in enumerate(sources))]
    # An order that tells nothing: copies stand before what they were made of as often as behind.
    ids = [record_hash("document", str(number))[:16] for number in range(size)]
    order = sorted(range(size), key=ids.__getitem__)
    with path.open("wb") as file:
        file.writelines(orjson.dumps({"id": ids[n], "text": texts[n]}) + b"\n" for n in order)
    place = {number: i for i, number in enumerate(order)}
    return Planted(
        path=path,
        ids=[ids[n] for n in order],
        copies=[(place[len(originals) + copy], place[source]) for copy, source in enumerate(sources)],
        megabytes=sum(len(text.encode()) for text in texts) / 1e6,
        digest=file_digest(path),
    )


def edited(text: str, donor: str, copy: int) -> str:
    """A text with 1 to 15 % of its words replaced by, deleted or followed by words of another text.

    How many, where and how depends on `copy` only.
    """
    words, others = WORD.findall(text), donor.split() or ["word"]
    count = min(len(words), max(1, round((LEAST + (MOST - LEAST) * _uniform("share", copy)) * len(words))))
    if _uniform("manner", copy) < 0.5:
        places = sorted(range(len(words)), key=lambda place: _uniform("place", copy, place))[:count]
        for place in places:
            word = others[int(_uniform("word", copy, place) * len(others))]
            words[place] = _change(words[place], word, _uniform("change", copy, place))
        return "".join(words)
    start = int(_uniform("start", copy) * (len(words) - count + 1))
    passage = "".join(words[start : start + count])
    other = int(_uniform("other", copy) * max(1, len(others) - count + 1))
    new = _change(passage, " ".join(others[other : other + count]), _uniform("change", copy))
    return "".join([*words[:start], new, *words[start + count :]])


def _change(old: str, new: str, choice: float) -> str:
    """By thirds: replaced (the space in front stays), deleted, or followed by the new."""
    if choice < 1 / 3:
        return old[: len(old) - len(old.lstrip())] + new
    return "" if choice < 2 / 3 else f"{old} {new}"


def _donor(originals: Sequence[str], copy: int) -> str:
    return originals[int(_uniform("donor", copy) * len(originals))]


def _uniform(what: str, *about: int) -> float:
    return uniform(SEED, what, *map(str, about))
