"""Rows of one split that stand in another nearly, or in part: what they have of their own is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from instructkit.audit.common_text import IGNORE, CommonText
from instructkit.audit.crossings import LONG_WORDS, OWN_WORDS, SHARED_TEXT, SHINGLE, Observer, Settings
from instructkit.audit.exact import Rows
from instructkit.audit.spool import RowSpool
from instructkit.audit.stretches import Stretches, by_split
from instructkit.minhash.across import pairs_across
from instructkit.minhash.band_spool import BandSpool
from instructkit.minhash.clusters import Edges
from instructkit.minhash.duplicates import RowNumbers, Standing, plausible_pairs, verified_pairs
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Sketches
from instructkit.minhash.threads import in_threads


class Near:
    """Near-duplicates across splits, of what rows have of their own."""

    def __init__(
        self, spool: RowSpool, rows: Rows, settings: Settings, text: CommonText, folder: Path, observe: Observer
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
