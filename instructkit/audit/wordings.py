"""How many wordings carry the prompts, and whether one of them carries most."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import polars as pl

from instructkit.audit.copies import places
from instructkit.audit.finding import MARKS
from instructkit.audit.ground import Ground
from instructkit.audit.skeletons import Skeletons

FEW_WORDS, FEW_SHARE = 3, 0.25
"""With fewer words than that in common ("the …") prompts are worded freely, unless a quarter of all rows are so."""
COLLAPSED_SHARE, COLLAPSED_ROWS = 0.5, 100
"""One wording with a larger share of at least so many conversations is a finding."""
SHOWN = 5
SHOWN_CHARACTERS = 200
_WORDS = r"\S*[\p{L}\p{N}]\S*"
_UNSPACED_GAP = re.compile("(?<=[\u3000-\u9fff\uff00-\uffef…]) (?=[\u3000-\u9fff\uff00-\uffef…])")
"""The space that the words of a skeleton are joined by, where the script has none."""


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """One wording of what the user says first."""

    text: str
    """Its words in lower case, `…` for what differs from row to row."""
    rows: int
    first: str
    """Where its first row stands, as `file:line`."""


class Wordings(msgspec.Struct, frozen=True, kw_only=True):
    """How the prompts are worded."""

    free: int
    """Prompts in which nothing is worded as in many others; each counts as a wording of its own."""
    distinct: int
    """Wordings in all, the free ones not counted."""
    half: int
    """How many, the most frequent first, carry half of the conversations."""
    ninety: int
    """How many carry 90 %."""
    most: list[Wording]
    """The most frequent ones."""


def check_wordings(ground: Ground) -> Wordings:
    """Count the wordings; marks the rows of one that carries most (check `one_template`, rule `wording`)."""
    skeletons = Skeletons()
    for block in ground.disk.blocks("opening"):
        skeletons.count(block["opening"])
    parts = [
        block.select("row", hash=(text := skeletons.of(block["opening"])).hash(0), words=text.str.count_matches(_WORDS))
        for block in ground.disk.blocks("row", "opening")
    ]
    rows = pl.concat(parts) if parts else pl.DataFrame()
    if rows.is_empty():
        return Wordings(free=0, distinct=0, half=0, ninety=0, most=[])
    shared = (
        rows.group_by("hash", "words")
        .agg(pl.len().alias("rows"), pl.col("row").min().alias("first"))
        .filter((pl.col("words") >= FEW_WORDS) | ((pl.col("rows") >= FEW_SHARE * rows.height) & (pl.col("words") > 0)))
        .sort("rows", "first", descending=[True, False])
    )
    if shared.height and rows.height >= COLLAPSED_ROWS and shared["rows"][0] > COLLAPSED_SHARE * rows.height:
        _mark(ground, skeletons, rows.filter(pl.col("hash") == shared["hash"][0]))
    free = rows.height - int(shared["rows"].sum())
    carried = np.cumsum(np.concatenate([shared["rows"].to_numpy(), np.ones(free, dtype=np.int64)]))
    return Wordings(
        free=free,
        distinct=shared.height,
        half=int(np.searchsorted(carried, rows.height / 2)) + 1,
        ninety=int(np.searchsorted(carried, rows.height * 0.9)) + 1,
        most=_most(ground, skeletons, shared.head(SHOWN)),
    )


def _most(ground: Ground, skeletons: Skeletons, shared: pl.DataFrame) -> list[Wording]:
    firsts = shared["first"].to_list()
    prompts = dict(ground.disk.some(firsts, "opening").rows())
    where = places(ground.disk, firsts)
    texts = skeletons.of(pl.Series([prompts[row] for row in firsts], dtype=pl.String)).to_list()
    return [
        Wording(text=_shown(text), rows=count, first=where[row])
        for text, count, row in zip(texts, shared["rows"].to_list(), firsts, strict=True)
    ]


def _mark(ground: Ground, skeletons: Skeletons, rows: pl.DataFrame) -> None:
    named = rows["row"].head(ground.named).to_list()
    texts = ground.disk.some(named, "opening")
    shown = [_shown(text) for text in skeletons.of(texts["opening"])]
    said = dict(zip(texts["row"].to_list(), shown, strict=True))
    words = pl.col("row").replace_strict(said, default=None, return_dtype=pl.String)
    ground.tally.add("one_template", rows.select("row", rule=pl.lit("wording"), said=words).cast(MARKS))


def _shown(skeleton: str) -> str:
    """A skeleton as it would be written, and not too long."""
    text = _UNSPACED_GAP.sub("", skeleton)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
