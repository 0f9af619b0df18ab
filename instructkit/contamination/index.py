"""The n-grams of an evaluation, made to be looked up: which texts they stand in, and where.

    evaluation rows ──▶ segments (a prompt, an answer, a passage; equal texts once) ──▶ n-grams in their order
    records' turns  ──▶ n-grams ──▶ a bit tells nearly all apart ──▶ the few that an evaluation has: `Hits`

An n-gram is a run of words as `minhash` cuts them, so what is ignored there (case, punctuation, white space) is ignored
here, and in scripts without spaces a character is a word. A segment or turn of fewer words is one n-gram of all it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.contamination.rows import EVALUATION
from instructkit.minhash.sketcher import Sketcher, kernels
from instructkit.text.normalise import Ignorable

I64s = npt.NDArray[np.int64]
U64s = npt.NDArray[np.uint64]

BITS_PER_GRAM = 16
"""Of the map that is asked first: one n-gram in 16 that no evaluation has passes it, or fewer."""

USES = pl.Schema({"segment": pl.Int64(), "row": pl.Int64(), "part": pl.String()})


class Hits(NamedTuple):
    """N-grams of records that an evaluation has too; one entry for each place, in the order of records and places."""

    record: npt.NDArray[np.int64]
    """Number of the record."""
    position: npt.NDArray[np.int64]
    """Number of the n-gram's first word in the record, its turns on end."""
    turn: npt.NDArray[np.int64]
    """Words of the turn that it stands in."""
    gram: npt.NDArray[np.int64]
    """Number of the n-gram in the index."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """An evaluation's rows with their n-grams; made by `Index.of`."""

    rows: pl.DataFrame
    """As `EVALUATION`."""
    sketcher: Sketcher
    uses: pl.DataFrame
    """As `USES`: which segment is which part of which row: `prompt`, `answer` or `passage`; `extract` is an answer that
    stands in its row's own passage or prompt, and so says nothing by itself."""
    texts: pl.Series
    """The segments' texts."""
    units: I64s
    """Words of each segment."""
    starts: I64s
    """Where each segment's n-grams begin in `sequence`."""
    sequence: I64s
    """Numbers of the segments' n-grams, in order, repeats too."""
    grams: U64s
    """Hashes of all n-grams, sorted, each once; an n-gram's number is its place here."""
    frequency: I64s
    """Evaluation rows that have each n-gram in prompt or answers, equal rows once, and passages that have it."""

    @staticmethod
    def of(
        rows: pl.DataFrame, ngram: int = 5, ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    ) -> Index:
        """The index of evaluation rows (`EVALUATION`). Memory: about 50 bytes a word of the evaluation."""
        rows = rows.select([pl.col(name).cast(dtype) for name, dtype in EVALUATION.items()])
        sketcher = Sketcher(unit="words", shingle=ngram, ignore=ignore, bands=1, rows=1, seed=0)
        texts, uses = _segments(rows)
        runs = sketcher.shingle_runs(texts)
        grams, sequence = np.unique(runs.hashes, return_inverse=True)
        sequence = sequence.astype(np.int64)
        return Index(
            rows=rows,
            sketcher=sketcher,
            uses=_with_extracts(uses, runs.starts, sequence, len(grams)),
            texts=texts,
            units=runs.units.astype(np.int64),
            starts=runs.starts,
            sequence=sequence,
            grams=grams,
            frequency=_frequency(uses, rows.height, runs.starts, sequence, len(grams)),
        )

    @property
    def ngram(self) -> int:
        """Words in an n-gram."""
        return self.sketcher.shingle

    def answers(self, row: int) -> list[str]:
        """The answers of a row that say something."""
        given = self.rows["answers"][row]
        return [] if given is None else [answer for answer in given.to_list() if answer and answer.strip()]

    @cached_property
    def segment_of(self) -> I64s:
        """The segment of each entry of `sequence`."""
        return np.repeat(np.arange(len(self.units)), np.diff(self.starts))

    @cached_property
    def reach(self) -> I64s:
        """Words of the longest row that each segment is prompt or answer of; of a passage its own."""
        sized = self.uses.with_columns(units=self.units[self.uses["segment"].to_numpy()])
        asked = sized.filter(pl.col("part") != "passage")
        rows = (
            asked.group_by("row", "part")
            .agg(pl.col("units").max())
            .group_by("row")
            .agg(row_units=pl.col("units").sum())
        )
        longest = asked.join(rows, on="row").group_by("segment").agg(pl.col("row_units").max())
        result = self.units.copy()
        result[longest["segment"].to_numpy()] = longest["row_units"].to_numpy()
        return result

    @cached_property
    def occurrences(self) -> tuple[I64s, I64s]:
        """(where each n-gram's begin, places in `sequence`): where an n-gram stands."""
        bounds = np.zeros(len(self.grams) + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.sequence, minlength=len(self.grams)), out=bounds[1:])
        return bounds, np.argsort(self.sequence, kind="stable")

    def hits(self, records: pl.Series) -> Hits:
        """The n-grams of records that the evaluation has too.

        `records`: List(String), the turns of each record (see `rows.turns`), or String. N-grams do not cross turns.
        """
        if records.dtype == pl.String:
            turns, counts = records, np.ones(len(records), dtype=np.int64)
        else:
            turns = records.explode(empty_as_null=False, keep_nulls=False)
            counts = records.list.len().fill_null(0).to_numpy().astype(np.int64)
        runs = self.sketcher.shingle_runs(turns)
        places, found = self._look_up(runs.hashes)
        units = runs.units.astype(np.int64)
        turn = np.searchsorted(runs.starts, places, side="right") - 1
        record = np.repeat(np.arange(len(counts)), counts)
        # Words before each turn in its record: those before the turn, less those before the record.
        ahead = np.concatenate([[0], np.cumsum(units)])
        behind = ahead[np.concatenate([[0], np.cumsum(counts)])]
        return Hits(
            record[turn],
            places - runs.starts[turn] + ahead[turn] - behind[record[turn]],
            units[turn],
            found,
        )

    def numbers(self, texts: pl.Series) -> I64s:
        """Numbers of the n-grams that stand in some texts, sorted, each once."""
        return _distinct(self._look_up(self.sketcher.shingle_runs(texts).hashes)[1])

    def _look_up(self, hashes: U64s) -> tuple[I64s, I64s]:
        places, found = np.empty(len(hashes), dtype=np.int64), np.empty(len(hashes), dtype=np.int64)
        seen, shift, starts, narrow = self._table
        count = kernels().look_up(hashes, self.grams, seen, shift, starts, narrow, places, found)
        return places[:count].copy(), found[:count].copy()

    @cached_property
    def _table(self) -> tuple[U64s, int, I64s, int]:
        """What `numpy_kernels.look_up` calls seen, shift, starts and narrow."""
        width = max(len(self.grams).bit_length(), 1)
        seen = np.zeros(max(BITS_PER_GRAM * 2**width // 64, 1), dtype=np.uint64)
        shift, narrow = 64 - width - BITS_PER_GRAM.bit_length() + 1, 64 - width
        place = self.grams >> np.uint64(shift)
        np.bitwise_or.at(seen, (place >> np.uint64(6)).astype(np.int64), np.uint64(1) << (place & np.uint64(63)))
        starts = np.zeros(2**width + 1, dtype=np.int64)
        np.cumsum(np.bincount((self.grams >> np.uint64(narrow)).astype(np.int64), minlength=2**width), out=starts[1:])
        return seen, shift, starts, narrow


def _segments(rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """The texts of the rows' parts, equal ones once, and what they are used for."""
    numbered = rows.lazy().with_row_index("row")
    parts = [
        numbered.select("row", part=pl.lit("prompt"), text="prompt"),
        numbered.select("row", "answers").explode("answers").select("row", part=pl.lit("answer"), text="answers"),
        numbered.select("row", part=pl.lit("passage"), text="passage"),
    ]
    said = pl.concat(parts).filter(pl.col("text").str.strip_chars() != "").collect()
    texts = said["text"].unique(maintain_order=True)
    numbers = pl.DataFrame({"text": texts}).with_row_index("segment")
    uses = said.join(numbers, on="text", maintain_order="left").unique(["segment", "row", "part"], maintain_order=True)
    return texts, uses.select([pl.col(name).cast(dtype) for name, dtype in USES.items()])


def _with_extracts(uses: pl.DataFrame, starts: I64s, sequence: I64s, grams: int) -> pl.DataFrame:
    """The uses, with answers all of whose n-grams stand in the passage or prompt of their row as `extract`."""
    answers = (uses["part"] == "answer").to_numpy()
    row, segment = uses["row"].to_numpy(), uses["segment"].to_numpy()
    held = _distinct(_keyed(row[~answers], segment[~answers], starts, sequence, grams))
    each = _keyed(row[answers], segment[answers], starts, sequence, grams)
    sizes = (starts[1:] - starts[:-1])[segment[answers]]
    if not len(held) or not len(each):
        return uses
    known = held[np.minimum(np.searchsorted(held, each), len(held) - 1)] == each
    counts = np.bincount(np.repeat(np.arange(len(sizes)), sizes), weights=known, minlength=len(sizes))
    part = uses["part"].to_numpy().astype(object)
    part[np.flatnonzero(answers)[counts == sizes]] = "extract"
    return uses.with_columns(part=pl.Series(part, dtype=pl.String))


def _distinct(values: I64s) -> I64s:
    """The values sorted, each once. `np.unique` of whole numbers goes by hashes, ten times as long for millions."""
    values = np.sort(values)
    result: I64s = values[np.diff(values, prepend=-1) != 0]
    return result


def _keyed(row: I64s, segment: I64s, starts: I64s, sequence: I64s, grams: int) -> I64s:
    """Keys of each n-gram of each segment of a row: the row times the number of n-grams, and the n-gram."""
    sizes = (starts[1:] - starts[:-1])[segment]
    places = np.repeat(starts[:-1][segment] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    keys: I64s = np.repeat(row, sizes) * grams + sequence[places]
    return keys


def _frequency(uses: pl.DataFrame, rows: int, starts: I64s, sequence: I64s, grams: int) -> I64s:
    """In how many rows, equal ones counted once, and in how many passages each n-gram stands."""
    asked = uses.filter(pl.col("part") != "passage")
    same = asked.group_by("row").agg(key=pl.struct("part", "segment").sort()).group_by("key").agg(pl.col("row").min())
    asked = asked.join(same.select("row"), on="row", how="semi").select("row", "segment")
    # Few rows share a passage's text otherwise: those of one passage are no more common for it.
    passages = (
        uses.filter(part="passage").select("segment").unique().select(row=pl.col("segment") + rows, segment="segment")
    )
    holders = pl.concat([asked, passages.select("row", "segment")]).unique()
    row, segment = holders["row"].to_numpy(), holders["segment"].to_numpy()
    both = _distinct(_keyed(row, segment, starts, sequence, grams))
    return np.bincount(both % max(grams, 1), minlength=grams).astype(np.int64)
