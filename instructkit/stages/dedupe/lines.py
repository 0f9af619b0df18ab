"""`dedupe.lines`: cut paragraphs or lines that recur from document to document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import orjson
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import text_hashes
from instructkit.schema import Document, Drop, Noun, empty
from instructkit.stages.contract import Outcome
from instructkit.stages.dedupe.decision import SOURCE_ORDER
from instructkit.stages.drops import sort_out
from instructkit.text.jsonfields import extract, with_value
from instructkit.text.normalise import Ignorable, normalised
from instructkit.text.pieces import PieceUnit, closed_up, pieces, without_end
from instructkit.text.words import word_count

HASH = ["high", "low"]
"""The two halves of a 128-bit hash. Text is cut by it, and among 2^33 different lines 64 bits would confuse some."""
ROWS_AT_ONCE = 1 << 22
"""Rows of the sketches that the decision holds at once; with hash and count about 20 bytes each."""
EXCERPT = 80
"""Characters of a cut passage that a drop shows."""
ENTRY = {"text", "documents", "first"}
"""Keys of an entry in the record."""


@dataclass(frozen=True, kw_only=True)
class DedupeLines:
    """Cut out paragraphs or lines that recur in many documents: license headers, cookie notices, navigation.

    What recurs stays in the first document that has it. What was cut from each document is listed in its `fields`,
    which `instructkit show` and `why --json` print. The rest keeps every byte, but where blank lines stand on both
    sides of a cut, those after it go too. A document of which no word is left is dropped. Ids and groups never change,
    so dedupe whole documents in a step of its own: before this one, or copies make all their paragraphs recur, and
    again after it where documents may be alike but for their boilerplate.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("xxhash",)

    unit: PieceUnit = "paragraphs"
    """What is counted and cut. `paragraphs` are parted by blank lines: what goes is a block that stands for itself, so
    this is the default. `lines` also finds navigation, and notices of which one line differs from document to document;
    it leaves holes in text whose lines are alike by nature, such as code, tables, forms and verse."""
    min_documents: Annotated[int, msgspec.Meta(ge=2)] = 10
    """Least number of documents with the same paragraph or line that make it boilerplate. Many in one document count as
    one. Quotations and titles recur too, in a handful of documents; `2` cuts every repeat."""
    min_words: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Words below which a paragraph or line is never cut: `}`, `return x` and `## Usage` recur because they are short.
    In scripts written without spaces (Chinese, Japanese, Thai ...) each character counts as a word; punctuation that
    stands alone does not count."""
    ignore: tuple[Ignorable, ...] = ("case", "whitespace")
    """Differences that do not count: `case`, `whitespace` (runs count as one space, line ends too), `punctuation` (not
    the signs of arithmetic), `digits` (all numbers are alike: page numbers, years, dates), `diacritics` (é is e). `[]`
    compares the text as it is, but for its Unicode form (NFC) and the line end after it."""
    keep: Literal["first", "none"] = "first"
    """Who keeps it. `first`: the first document in the order of the sources, by source name, then path, line and id, so
    that nothing vanishes from the corpus. `none`: nobody. Where whole documents recur, `none` loses them wholly; put
    `dedupe.minhash` before it."""
    record: str | None = "removed"
    """Key in `fields` for what was cut: a list of `text`, `documents` (how many have it) and `first` (id of the first).
    A list that a step like this one left there is continued. `null`: keep no list; the text is then only in the rows
    of the step before."""

    def faults(self) -> list[str]:
        """An empty key for the record."""
        return ["record is empty; name a key of `fields`, or say null"] if self.record == "" else []

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """For each paragraph or line that is long enough: its hash, the shard's documents with it, the first of them.

        Sorted by hash, so that a range of hashes is read from a few row groups.
        """
        place = [pl.col("source"), *(pl.col("origin").struct.field(name) for name in ("file", "line")), pl.col("id")]
        order = shard.select(place).with_row_index("row").sort(SOURCE_ORDER).with_row_index("rank")
        return (
            self._hashed(self._pieces(shard))
            .select("row", *HASH)
            .unique()
            .join(order.select("row", "rank"), on="row")
            .group_by(HASH)
            .agg(documents=pl.len().cast(pl.UInt32), rank=pl.col("rank").min())
            .join(order.drop("row"), on="rank")
            .sort(HASH)
            .select(*HASH, "documents", *SOURCE_ORDER)
        )

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """Hash, documents and first id of each paragraph or line that recurs, sorted by hash.

        It has no id column and goes whole to every shard: what a million documents share is one row of about 60 bytes,
        not a million rows. The sketches are read a range of hashes at a time.
        """
        rows = sketches.select(pl.len()).collect().item()
        return pl.concat(
            [self._repeated(sketches.filter(within)) for within in _ranges(1 + rows // ROWS_AT_ONCE)], rechunk=True
        )

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `repeated`: the fewest documents that share a part of it, and `min_documents`."""
        parts = self._pieces(shard)
        cuts = self._hashed(parts).join(decision, on=HASH).join(shard.select("id").with_row_index("row"), on="row")
        if self.keep == "first":
            cuts = cuts.filter(pl.col("id") != pl.col("first"))
        if cuts.is_empty():
            return Outcome(shard, empty(Drop))
        rows = (
            shard.select("text")
            .with_row_index("row")
            .join(self._cut(parts, cuts), on="row", how="left", maintain_order="left")
            .select(
                pl.coalesce("left", "text").alias("text"), "cut", "value", "detail", words=word_count(pl.col("left"))
            )
        )
        shard = shard.with_columns(rows["text"])
        if self.record is not None:
            shard = shard.with_columns(_recorded(shard, rows["cut"], self.record))
        verdict = rows.select(
            "value",
            "detail",
            rule=pl.when(pl.col("words") == 0).then(pl.lit("repeated")),
            threshold=pl.lit(str(self.min_documents)),
        )
        return sort_out(shard, verdict)

    def _cut(self, parts: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
        """(row, cut, value, detail, left) of the documents that are cut: what goes, what a drop says, what is left.

        `cuts` has the columns at, row, documents and first of the pieces that go.
        """
        gone = pl.col("documents").is_not_null()
        parts = (
            parts.join(cuts.select("row").unique(), on="row", how="semi", maintain_order="left")
            .join(cuts.select("at", "documents", "first"), on="at", how="left", maintain_order="left")
            .with_columns(opens=gone.first().over("row"), closes=gone.last().over("row"))
        )
        cut = (
            parts.filter(gone)
            .with_columns(text=without_end(pl.col("piece")))
            .group_by("row", maintain_order=True)
            .agg(
                pl.struct("text", "documents", "first").alias("cut"),
                value=pl.col("documents").min().cast(pl.String),
                detail=_said(self.unit),
            )
        )
        left = (
            closed_up(parts.filter(~gone)).group_by("row", maintain_order=True).agg(left=pl.col("piece").str.join(""))
        )
        return cut.join(left, on="row", how="left").with_columns(pl.col("left").fill_null(""))

    def _pieces(self, shard: pl.DataFrame) -> pl.DataFrame:
        """(row, piece, at): the documents in pieces, numbered from 0 through the shard."""
        cut = shard.select(piece=pieces(pl.col("text").fill_null(""), self.unit)).with_row_index("row")
        return cut.explode("piece", empty_as_null=False).with_row_index("at")

    def _hashed(self, parts: pl.DataFrame) -> pl.DataFrame:
        """(row, at, high, low) of the pieces that are long enough."""
        parts = parts.filter(word_count(pl.col("piece")) >= self.min_words)
        parts = parts.select("row", "at", text=normalised(without_end(pl.col("piece")), self.ignore))
        hashes = pl.Series(text_hashes(parts["text"]), dtype=pl.String).str.decode("hex")
        halves = {name: hashes.bin.slice(8 * n, 8).bin.reinterpret(dtype=pl.UInt64) for n, name in enumerate(HASH)}
        return parts.select("row", "at").with_columns(**halves)

    def _repeated(self, sketches: pl.LazyFrame) -> pl.DataFrame:
        """The decision on some of the hashes."""
        counted = sketches.group_by(HASH).agg(pl.col("documents").sum())
        often = counted.filter(pl.col("documents") >= self.min_documents).collect(engine="streaming")
        firsts = (
            sketches.drop("documents")
            .join(often.lazy(), on=HASH, how="semi")
            .collect(engine="streaming")
            .sort(SOURCE_ORDER)
            .unique(HASH, keep="first", maintain_order=True)
            # Copied, or each range would hold the ids it was chosen from: polars' strings are views of shared buffers.
            .select(*HASH, first=pl.concat_str("id", pl.lit("")))
        )
        return often.join(firsts, on=HASH).sort(HASH)


def _said(unit: PieceUnit) -> pl.Expr:
    """What was cut from a document, for its drop."""
    longest = pl.col("text").str.len_chars().arg_max()
    text = pl.col("text").get(longest).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.format(
        "{} repeated {}; the longest is in {} documents, first in '{}': {}",
        pl.len(),
        pl.lit(unit),
        pl.col("documents").get(longest),
        pl.col("first").get(longest),
        pl.when(text.str.len_chars() > EXCERPT).then(text.str.head(EXCERPT) + "…").otherwise(text),
    )


def _recorded(shard: pl.DataFrame, cut: pl.Series, key: str) -> pl.Series:
    """The shard's `fields`, with what was cut under the key; `cut` has a list for each document, or null.

    Raises StageError where the key holds something else.
    """
    earlier = shard.select(extract("fields", (key,), "text")).to_series()
    values: list[list[Any] | None] = cut.to_list()
    for row in (earlier.is_not_null() & cut.is_not_null()).arg_true():
        found = orjson.loads(shard["fields"][row])[key]
        if not isinstance(found, list) or not all(isinstance(entry, dict) and set(entry) == ENTRY for entry in found):
            raise StageError(
                f"document '{shard['id'][row]}': its field '{key}' holds something of its own, so what is cut cannot "
                "be listed there; let `record` name another key"
            )
        values[row] = [*found, *(values[row] or [])]
    return with_value(shard["fields"], key, values)


def _ranges(count: int) -> list[pl.Expr]:
    """Conditions that part the hashes into ranges of one width."""
    bounds = [pl.lit((n << 64) // count, dtype=pl.UInt64) for n in range(count)]
    high = pl.col("high")
    return [(high >= low) & (high < bounds[n + 1]) if n + 1 < count else high >= low for n, low in enumerate(bounds)]
