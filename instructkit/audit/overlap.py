"""What of one split stands in another: the same conversations, prompts and long answers, and near-duplicates.

rows ── sketch ──▶ fingerprints of prompt and answer ── join across splits ──▶ the same
  └─ what is their own (common_text) ── wide LSH across splits ──▶ candidates ── exact Jaccard ──▶ near-duplicates
                                     └─ winnowing (stretches) ──▶ candidates ── exact share of the shorter ──▶ the rest

Nothing is believed of how the rows were made: neither their groups nor their ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from instructkit.audit.common_text import MOST_SEQUENCES, CommonText
from instructkit.audit.crossings import KINDS, NEAR_CONVERSATION, NEAR_PROMPT, PLACES, Observer, Settings
from instructkit.audit.exact import Rows
from instructkit.audit.near import Near
from instructkit.audit.spool import RowSpool


@dataclass(kw_only=True)
class Overlap:
    """What was found, and what was looked at."""

    crossings: pl.DataFrame
    """`kind`, `left` and `right` (places of rows in an earlier and a later split), `similarity`, `split` (number of the
    left one's): for each row of a later split and each earlier split at most one row, the strongest kind, the most
    similar; in the order of `right`."""
    common_answers: pl.DataFrame
    """As `crossings`: rows whose long answer stands in the other split too, but under so many prompts that it is a
    phrase."""
    short: int = 0
    """Rows with too few words of their own to be near-duplicates; only compared as a whole."""
    masked: int = 0
    """Of these, rows that are long as a whole: see `Verified.masked`."""
    compared: int = 0
    """Candidate pairs whose shingles were compared."""


def overlap(
    spool: RowSpool,
    settings: Settings,
    folder: Path,
    known: list[str] | None = None,
    observe: Observer = lambda what, done, of: None,
) -> Overlap:
    """What stands in two of the spool's splits. `known`: texts of templates, which are nobody's own.

    The spool's rows have `prompt` and `response`. `folder` is where temporary files go. Memory: some 150 bytes a row,
    64 MB for the counts of common sequences, 40 bytes a candidate pair.
    """
    rows = Rows(spool)
    text = _common_text(spool, rows, settings, known or [], observe)
    exact = [*rows.same(_says_nothing(spool, text) if known else None)]
    exact.append(rows.same_exchanges(settings.common))
    answers, common_answers = rows.same_answers()
    found = Near(spool, rows, settings, text, folder, observe)
    near = [found.edges("own", NEAR_CONVERSATION), found.edges("own_prompt", NEAR_PROMPT)]
    crossings = pl.concat([*exact, *near, answers, found.shared()])
    priority = pl.col("kind").replace_strict({kind: n for n, kind in enumerate(KINDS)}, return_dtype=pl.Int64)
    crossings = (
        crossings.sort("right", "split", priority, -pl.col("similarity"), "left")
        .unique(["right", "split"], keep="first", maintain_order=True)
        .select(PLACES.names())
    )
    return Overlap(
        crossings=crossings,
        common_answers=common_answers,
        short=found.short,
        masked=found.masked,
        compared=found.compared,
    )


def _common_text(spool: RowSpool, rows: Rows, settings: Settings, known: list[str], observe: Observer) -> CommonText:
    """How often sequences of words stand in different prompts and answers."""
    text = CommonText(settings.common)
    firsts = {name: rows.first(name) for name in ("prompt", "response")}
    words = sum(rows.table.filter(first)[f"{name}_words"].sum() for name, first in firsts.items())
    every = int(words // MOST_SEQUENCES) + 1
    at = 0
    for chunk in spool.chunks(["prompt", "response"]):
        for name, first in firsts.items():
            chosen = first.slice(at, chunk.height)
            if every > 1:  # by content, so that the order of rows changes nothing
                chosen &= rows.table[f"{name}_2"].slice(at, chunk.height) % every == 0
            text.add(chunk[name].filter(chosen))
        at += chunk.height
        observe("counting common text", at, int(rows.starts[-1]))
    text.add_known(known)
    return text


def _says_nothing(spool: RowSpool, text: CommonText) -> pl.Series:
    """Whether each row's prompt is literal text of a template from its first word to its last."""
    return pl.concat([text.is_known(chunk["prompt"]) for chunk in spool.chunks(["prompt"])])
