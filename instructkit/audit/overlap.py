"""What of one split stands in another: the same conversations, prompts and long answers, and near-duplicates.

rows ── sketch ──▶ fingerprints of prompt and answer ── join across splits ──▶ the same
  └─ what is their own (common_text) ── wide LSH across splits ──▶ candidates ── exact Jaccard ──▶ near-duplicates
                                     └─ winnowing (stretches) ──▶ candidates ── exact share of the shorter ──▶ the rest

Nothing is believed of how the rows were made: neither their groups nor their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.audit.common_text import COMMON, IGNORE, MOST_SEQUENCES, SEQUENCE, CommonText
from instructkit.audit.spool import RowSpool
from instructkit.audit.stretches import Stretches, by_split
from instructkit.minhash.across import pairs_across
from instructkit.minhash.band_spool import BandSpool
from instructkit.minhash.banding import Banding, banding
from instructkit.minhash.clusters import Edges
from instructkit.minhash.duplicates import RowNumbers, Standing, plausible_pairs, verified_pairs
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Sketches
from instructkit.minhash.threads import in_threads

Observer = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many (0: nobody knows)."""

SAME_CONVERSATION, SAME_PROMPT, SAME_EXCHANGE = "same_conversation", "same_prompt", "same_exchange"
NEAR_CONVERSATION, NEAR_PROMPT, SAME_ANSWER = "near_conversation", "near_prompt", "same_answer"
SHARED_TEXT = "shared_text"
KINDS = (SAME_CONVERSATION, SAME_PROMPT, SAME_EXCHANGE, NEAR_CONVERSATION, NEAR_PROMPT, SAME_ANSWER, SHARED_TEXT)
"""What may stand in two splits, the strongest first."""

SHINGLE = SEQUENCE
RECALL = 0.99
NUM_PERM = 256
OWN_WORDS = 10
"""A text with fewer words of its own is compared as a whole only: so few shingles say little."""
LONG_WORDS = 30
"""A text of so many words and more of which fewer than `OWN_WORDS` are its own is masked by what is like it."""
ANSWER_WORDS = 20
"""A shorter answer may be the same by chance, or is a label."""
COMMON_ANSWERS = 10
"""Different prompts from which on an answer is a phrase (a refusal, a greeting) and its rows are counted apart."""

PLACES = pl.Schema(
    {"kind": pl.String(), "left": pl.Int64(), "right": pl.Int64(), "similarity": pl.Float64(), "split": pl.Int64()}
)
Fingerprints = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How alike is alike, and what is common."""

    threshold: float = 0.8
    """Jaccard similarity of word 5-grams from which on two texts are near-duplicates."""
    common: int = COMMON
    """See `CommonText`."""

    @property
    def shared_common(self) -> int:
        """The same where only a part of two texts is shared: fewer, since that is what rows of a template share too.

        At 20 a passage with fewer questions than that is still its rows' own, and a template with more rows is not.
        """
        return max(2, self.common * 2 // 5)

    @property
    def banding(self) -> Banding:
        """The strictest banding that finds a pair at the threshold with probability `RECALL`."""
        found = banding(self.threshold, NUM_PERM, RECALL)
        if found is None:  # of a low threshold: as wide as so many permutations can be
            return Banding(NUM_PERM // 2, 2)
        return found

    @property
    def sketcher(self) -> Sketcher:
        """The sketcher with these settings."""
        return Sketcher(unit="words", shingle=SHINGLE, ignore=IGNORE, seed=0, **self.banding._asdict())


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
    rows = _Rows(spool)
    text = _common_text(spool, rows, settings, known or [], observe)
    exact = [*rows.same(_says_nothing(spool, text) if known else None)]
    exact.append(rows.same_exchanges(settings.common))
    answers, common_answers = rows.same_answers()
    found = _Near(spool, rows, settings, text, folder, observe)
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


class _Rows:
    """Fingerprints of all rows, 60 bytes each, and what they alone tell."""

    def __init__(self, spool: RowSpool) -> None:
        sketcher = Sketcher(unit="words", shingle=SHINGLE, ignore=IGNORE, bands=1, rows=1, seed=0)
        parts, turns, at = [], [], 0
        for chunk in spool.chunks(["prompt", "response", "exchanges"]):
            turns.append(_exchanges(chunk["exchanges"], at, sketcher))
            at += chunk.height
            parts.append(_fingerprints(chunk["prompt"], chunk["response"], sketcher))
        self.counts = spool.counts
        self.starts = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        split = np.repeat(np.arange(len(self.counts)), self.counts)
        self.table = pl.concat(parts).with_columns(split=pl.Series(split, dtype=pl.Int64)).with_row_index("place")
        self.table = self.table.with_columns(pl.col("place").cast(pl.Int64))
        self._turns = pl.concat(turns).join(self.table.select("place", "split"), on="place", maintain_order="left")

    def first(self, name: str) -> pl.Series:
        """Whether each row is the first with its prompt, or response; false where it has none."""
        again = pl.int_range(pl.len()).over(f"{name}_1", f"{name}_2") > 0
        return self.table.select((~again & (pl.col(f"{name}_words") > 0)).alias("first")).to_series()

    def same(self, nothing: pl.Series | None) -> Iterator[pl.DataFrame]:
        """Rows whose conversation, or else prompt, stands in an earlier split.

        `nothing`: whether each row's prompt says nothing of its own ("Write a short story."); None: none is known to.
        """
        prompt, response = ["prompt_1", "prompt_2"], ["response_1", "response_2"]
        asked = self.table.filter(pl.col("prompt_words") > 0)
        yield across(asked, prompt + response, SAME_CONVERSATION)
        asked = self.table if nothing is None else self.table.filter(~nothing)
        yield across(asked.filter(pl.col("prompt_words") > 0), prompt, SAME_PROMPT)
        # What has no prompt is what it answers: a plain text, say.
        yield across(self.table.filter(pl.col("prompt_words") == 0), response, SAME_CONVERSATION)

    def same_exchanges(self, common: int) -> pl.DataFrame:
        """Rows of which a long question with its answer stands in an earlier split, in a longer conversation or there.

        What stands in `common` rows or more is an example that all are shown.
        """
        words = pl.col("prompt_words") + pl.col("response_words") >= ANSWER_WORDS
        both = (pl.col("prompt_words") > 0) & (pl.col("response_words") > 0)
        every = pl.concat([self.table.select(self._turns.columns), self._turns]).filter(words, both)
        keys = ["prompt_1", "prompt_2", "response_1", "response_2"]
        every = every.filter(pl.len().over(keys) < common).sort("place")
        pairs = across(every, keys, SAME_EXCHANGE)
        return pairs.unique(["right", "split"], keep="first", maintain_order=True)

    def same_answers(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows whose long answer stands in an earlier split under another prompt; and those where it is a phrase."""
        response = ["response_1", "response_2"]
        long = self.table.filter(pl.col("response_words") >= ANSWER_WORDS, pl.col("prompt_words") > 0)
        prompts = pl.struct("prompt_1", "prompt_2").n_unique().over(response)
        long = long.with_columns(common=prompts >= COMMON_ANSWERS)
        return (
            across(long.filter(~pl.col("common")), response, SAME_ANSWER),
            across(long.filter(pl.col("common")), response, SAME_ANSWER),
        )


def _exchanges(exchanges: pl.Series, first: int, sketcher: Sketcher) -> pl.DataFrame:
    """Fingerprints of the exchanges of rows, the first of which has the place `first`."""
    places = pl.DataFrame({"place": np.arange(first, first + len(exchanges)), "exchange": exchanges})
    told = places.explode("exchange", empty_as_null=False, keep_nulls=False).unnest("exchange")
    return told.select("place").hstack(_fingerprints(told["asked"], told["replied"], sketcher))


def _fingerprints(prompts: pl.Series, responses: pl.Series, sketcher: Sketcher) -> pl.DataFrame:
    """Columns `prompt_1`, `prompt_2`, `prompt_words`, and those of the response."""
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for name, texts in (("prompt", prompts), ("response", responses)):
        sketches = sketcher.sketch(texts)
        one, two = sketches.fingerprints
        columns |= {f"{name}_1": one, f"{name}_2": two, f"{name}_words": sketches.units}
    return pl.DataFrame(columns)


def across(table: pl.DataFrame, key: list[str], kind: str) -> pl.DataFrame:
    """For each row, and each earlier split that has a row with the same key, the first such row."""
    table = table.select("place", "split", *key)
    table = table.filter(pl.col("split").n_unique().over(key) > 1)
    firsts = table.unique([*key, "split"], keep="first", maintain_order=True)
    pairs = firsts.join(table, on=key, suffix="_right").filter(pl.col("split") < pl.col("split_right"))
    return pairs.select(kind=pl.lit(kind), left="place", right="place_right", similarity=pl.lit(1.0), split="split")


def _common_text(spool: RowSpool, rows: _Rows, settings: Settings, known: list[str], observe: Observer) -> CommonText:
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


class _Near:
    """Near-duplicates across splits, of what rows have of their own."""

    def __init__(
        self, spool: RowSpool, rows: _Rows, settings: Settings, text: CommonText, folder: Path, observe: Observer
    ) -> None:
        self._rows, self._settings, self._observe, self._folder = rows, settings, observe, folder
        self.short, self.masked, self.compared = 0, 0, 0
        self._own: list[tuple[Path, int]] = []

        def own(chunk: pl.DataFrame) -> pl.DataFrame:
            prompt, response = text.own(chunk["prompt"]), text.own(chunk["response"])
            asked = chunk["prompt"].str.strip_chars() != ""
            told = chunk["prompt"].zip_with(asked, chunk["response"])  # a plain text is all that there is
            shared = text.own(told, settings.shared_common)
            return pl.DataFrame({"own_prompt": prompt, "own": prompt + "\n" + response, "shared": shared})

        done = 0
        for number, both in enumerate(in_threads(own, spool.chunks(["prompt", "response"]))):
            path = folder / f"own-{number}.parquet"
            both.write_parquet(path, compression="lz4", statistics=False)
            self._own.append((path, both.height))
            done += both.height
            observe("sketching", done, int(rows.starts[-1]))

    def edges(self, column: str, kind: str) -> pl.DataFrame:
        """For each row, and each earlier split with a row like it, the most similar row: columns of `PLACES`."""
        sketcher, threshold = self._settings.sketcher, self._settings.threshold
        kept: list[Sketches] = []
        with BandSpool(sketcher.bands, self._folder) as bands:
            for sketches in in_threads(sketcher.sketch, (self._texts(path, column) for path, _ in self._own)):
                bands.add(sketches.bands)
                kept.append(sketches._replace(bands=sketches.bands[:0]))
            standing = Standing(
                np.concatenate([each.units for each in kept]),
                np.concatenate([each.fingerprints for each in kept], axis=1),
                np.concatenate([each.bits for each in kept], axis=1),
            )
            del kept
            table = pl.DataFrame(
                {
                    "split": self._rows.table["split"],
                    "one": standing.fingerprints[0],
                    "two": standing.fingerprints[1],
                    "words": standing.units,
                }
            ).with_row_index("place")
            if column == "own":
                short = table["words"] < OWN_WORDS
                words = self._rows.table.select(pl.sum_horizontal("prompt_words", "response_words")).to_series()
                self.short, self.masked = int(short.sum()), int((short & (words >= LONG_WORDS)).sum())
            table = table.filter(pl.col("words") >= OWN_WORDS).with_columns(pl.col("place").cast(pl.Int64))
            table = table.with_columns(first=pl.col("place").first().over("split", "one", "two"))
            alone = np.zeros(len(standing.units), dtype=np.bool_)
            alone[table.filter(pl.col("first") == pl.col("place"))["place"].to_numpy()] = True
            plausible = plausible_pairs(sketcher, standing.bits, threshold)
            found = []
            for split in range(len(self._rows.counts) - 1):
                start, line = int(self._rows.starts[split]), int(self._rows.starts[split + 1])
                among = alone.copy()
                among[:start] = False
                pairs = pairs_across(bands.bands(), standing.units, line, plausible, among)
                self.compared += len(pairs)
                found.append(verified_pairs(pairs, len(alone), self._sets(column), threshold, self._folder))
        return _best(found, table, kind)

    def shared(self) -> pl.DataFrame:
        """For each row, and each earlier split with a row that has most of its text, such a row: as `edges`."""
        sketcher = Sketcher(unit="words", shingle=SHINGLE, ignore=IGNORE, bands=1, rows=1, seed=0)
        kept = Stretches(sketcher, self._folder)
        keys = [sketcher.sketch(self._texts(path, "shared")).fingerprints for path, _ in self._own]
        one, two = np.concatenate(keys, axis=1)
        table = pl.DataFrame({"place": self._rows.table["place"], "split": self._rows.table["split"]})
        table = table.with_columns(first=pl.col("place").first().over("split", pl.Series(one), pl.Series(two)))
        alone, at = table["first"] == table["place"], 0
        for path, height in self._own:
            here = table.slice(at, height).filter(alone.slice(at, height))
            texts = self._texts(path, "shared").filter(alone.slice(at, height))
            kept.add(texts, here["place"], here["split"])
            at += height
            self._observe("looking for shared text", at, table.height)
        edges = kept.edges(self._sets("shared"), table.height)
        return _best(list(by_split(edges, self._rows.starts)), table, SHARED_TEXT)

    @staticmethod
    def _texts(path: Path, column: str) -> pl.Series:
        return pl.read_parquet(path, columns=[column], glob=False)[column]

    def _sets(self, column: str) -> Callable[[RowNumbers], Iterator[tuple[RowNumbers, ShingleSets]]]:
        sketcher = self._settings.sketcher

        def read(wanted: RowNumbers) -> Iterator[tuple[RowNumbers, ShingleSets]]:
            first = 0
            for path, height in self._own:
                here = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, first + height)]
                if len(here):
                    yield here, sketcher.shingle_sets(self._texts(path, column).gather(here - first))
                    self._observe("comparing", int(np.searchsorted(wanted, first + height)), len(wanted))
                first += height

        return read


def _best(found: list[Edges], table: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The best edge of each right end and left split, the copies of the right end with it."""
    edges = pl.concat(
        [
            pl.DataFrame({"left": each.left, "first": each.right, "similarity": each.similarity}).with_columns(
                split=pl.lit(number, dtype=pl.Int64)
            )
            for number, each in enumerate(found)
        ]
        or [pl.DataFrame(schema={"left": pl.Int64, "first": pl.Int64, "similarity": pl.Float64, "split": pl.Int64})]
    )
    best = edges.sort("first", "split", -pl.col("similarity"), "left").unique(["first", "split"], keep="first")
    copies = table.filter(pl.col("first").is_in(best["first"].unique().implode())).select("first", right="place")
    return best.join(copies, on="first").select(
        kind=pl.lit(kind), left="left", right="right", similarity="similarity", split="split"
    )
