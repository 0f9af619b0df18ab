"""`dedupe.against`: drop records that nearly repeat a row of another dataset, or of an earlier build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import numpy as np
import polars as pl

from instructkit.minhash.across import nearest_across
from instructkit.minhash.banding import Banding, banding, banding_faults
from instructkit.minhash.clusters import Edges
from instructkit.minhash.duplicates import RowNumbers, Standing
from instructkit.minhash.sketcher import ShingleSets, Sketcher, Unit
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import CachePath, InputPath, Outcome, project_path
from instructkit.stages.dedupe.decision import check_ids, identity_columns
from instructkit.stages.dedupe.index import settings_key, sketch_reference
from instructkit.stages.dedupe.outlook import outlook
from instructkit.stages.dedupe.reference import reference_files
from instructkit.stages.dedupe.reference_rows import ReferenceRows
from instructkit.stages.dedupe.sketched import SketchedCorpus, band, cut_into_sets, sketch_columns, sketched_corpus
from instructkit.stages.drops import sort_out
from instructkit.text.normalise import Ignorable
from instructkit.text.view import View, view

REDIS = ("redis://", "rediss://")

LIKE = pl.Schema(
    {
        "id": pl.String(),
        "similarity": pl.Float64(),
        "reference_file": pl.String(),
        "reference_line": pl.Int64(),
        "reference_id": pl.String(),
        "reference_text": pl.String(),
        "reference_characters": pl.Int64(),
    }
)
"""The decision: a row for each record that goes, with the row of the reference that it is most like. `reference_text`
is its beginning, for `why`; null where so many rows are repeated that keeping their texts would cost too much.
`reference_characters` is the length of the whole text."""


@dataclass(frozen=True, kw_only=True)
class DedupeAgainst:
    """Drop records that nearly repeat a row of another dataset: an evaluation set, or what an earlier build holds.

    Records are compared with the rows of the datasets only, never with one another; use `dedupe.minhash` for that.
    Pairs are found and verified as there: shared sequences of `shingle` words over all that either text holds
    (Jaccard). Texts shorter than `shingle` words are compared as a whole, so short questions are only found where they
    are the same. A long document that merely quotes a row is not like it. Groups stay as they are, and the datasets are
    only read. Rows without a text, or with white space only, are like nothing.

    To keep training prompts clear of an evaluation set: `{against: eval/*.jsonl, of: prompt, text: question}`.
    """

    version: ClassVar[int] = 2
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash", "orjson", "pyarrow")

    against: InputPath | list[InputPath]
    """What is compared with: JSON Lines (.gz and .zst too) or Parquet files, folders or globs of these, or the folder
    of an earlier build (`build/first`); or a list of these. A change of their content decides anew. A build of its own
    recipe would make each build differ from the one before: name another recipe's."""
    text: str | None = None
    """Column of the dataset's text, a dotted path reaches into objects; a list of turns (`messages`) is read as a
    conversation. Left out, it is the column `text`, or all that is a conversation to `ingest.chat`. `of` says which
    part of a conversation is compared; a text is compared as it is. Not looked at in builds, which know their texts."""
    of: View = "all"
    """Which text of the records is compared. On documents only `all`, the text. On examples `all` messages, the
    `prompt` (everything but the assistant's messages) or the `response` (the assistant's)."""
    step: str | None = None
    """Of an earlier build: the step whose rows are meant. Default: the last one that holds documents or examples."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    """Least similarity at which a record goes, from 0 to 1. 1 finds those of the same shingles only."""
    unit: Unit = "words"
    """What a shingle is made of. In scripts written without spaces (Chinese, Japanese, Thai ...) a character counts as
    a word already; `characters` is for short texts, with `shingle: 7` or so."""
    shingle: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Units in a shingle. Longer shingles make texts look less alike and tell them apart better."""
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    """Differences that do not count: `case`, `punctuation` (not the signs of arithmetic), `whitespace`, `digits`,
    `diacritics`. Digits count by default: sums with other numbers are other sums."""
    recall: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.99
    """Least probability that a pair exactly at the threshold is compared at all; pairs above it fare better."""
    num_perm: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 144
    """Permutations in a signature, at most; as many are made as the recall takes. More leave room for stricter bands:
    fewer useless comparisons, at the cost of time in proportion."""
    seed: int = 0
    """Of the permutations. Left out, it is the recipe's."""
    index: CachePath | None = None
    """Where the datasets' sketches are kept, so that the next build need not read all of them again: a folder (some 200
    bytes a row), or a Redis server that several machines share, as `redis://host:port/db` (needs `pip install
    'instructkit[index]'`; some 10 kB a row). The result is the same with and without."""

    def faults(self) -> list[str]:
        """A recall that so few permutations cannot give; nothing to compare with; an index that cannot be."""
        faults = [] if self.against else ["against: an empty list names no dataset; give at least one"]
        faults += banding_faults(self.threshold, self.num_perm, self.recall)
        found = banding(self.threshold, self.num_perm, self.recall)
        if self._redis and found is not None and found.bands < 2:
            faults.append("index: datasketch's index needs two bands and these settings make one; keep it in a folder")
        if self.index is not None and "://" in self.index and not _is_address(self.index):
            # Without the address, which may hold a password.
            faults.append("index: neither a folder nor the address of a Redis server, such as redis://host:6379/0")
        return faults

    @property
    def banding(self) -> Banding:
        """Bands and rows for these settings."""
        found = banding(self.threshold, self.num_perm, self.recall)
        assert found is not None, "checked by faults()"
        return found

    @property
    def sketcher(self) -> Sketcher:
        """The sketcher with these settings."""
        return Sketcher(
            unit=self.unit, shingle=self.shingle, ignore=self.ignore, seed=self.seed, **self.banding._asdict()
        )

    @property
    def _redis(self) -> bool:
        return self.index is not None and self.index.startswith(REDIS)

    def keyed_inputs(self, root: Path) -> dict[str, Any]:
        """Names and contents of the datasets' files: of a build the rows of its step, not all that lies beside.

        Raises InputError where a path gives no file.
        """
        files = reference_files(self.against, root, self.step)
        return {"against": [[file.name, file.digest, file.kind] for file in files]}

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """Which pairs will be compared, and what that takes; the datasets' rows come on top."""
        return outlook(self.sketcher, self.banding, {"threshold": self.threshold}, records)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Band hashes (8 bytes each) and 36 bytes more of each text, with its id."""
        text = view(shard, self.of)
        columns = sketch_columns(self.sketcher, shard.select(text.alias("text")).to_series())
        return shard.select(identity_columns()).with_columns(columns)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The records that are like a row of the datasets, as `LIKE`.

        Raises StageError when an id stands twice, InputError when a dataset cannot be read.
        Memory: about 100 bytes a row of either side, 40 a candidate pair, and the texts of the rows that are repeated.
        Bands are read one at a time, texts in chunks.
        """
        check_ids(sketches)
        corpus = sketched_corpus(sketches, records, self.of)
        root, given = project_path(self.against)
        files = reference_files(given, root, self.step)
        if not len(corpus.order):
            return pl.DataFrame(schema=LIKE)
        about = [self.version, self.text, self.of]
        with ExitStack() as stack:
            reference = ReferenceRows(files=files, text=self.text, of=self.of)
            folder = None
            if self._redis:
                from instructkit.stages.dedupe.redis_index import sharing_a_band

                assert self.index is not None
                name = settings_key(self.sketcher, about)
                reference = reference.only(sharing_a_band(self.index, name, self.sketcher, reference, corpus))
            elif self.index is not None:
                folder = Path(self.index)
            held = sketch_reference(files, reference.chunks, self.sketcher, folder, about, stack)
            reference = reference.counted(held.counts)
            edges = self._edges(corpus, reference, held.standing(), held.column, held.absent())
        return self._named(edges, corpus, reference)

    def _edges(
        self, corpus: SketchedCorpus, reference: ReferenceRows, theirs: Standing, column: Any, absent: RowNumbers
    ) -> Edges:
        """The corpus's rows, numbered behind the reference's, each with its nearest there."""
        ours, behind = corpus.standing(), reference.rows

        def read_sets(rows: RowNumbers) -> Iterator[tuple[RowNumbers, ShingleSets]]:
            yield from cut_into_sets(self.sketcher, reference.texts(rows[rows < behind]))
            for numbers, sets in cut_into_sets(self.sketcher, corpus.texts(rows[rows >= behind] - behind)):
                yield numbers + behind, sets

        names = map(band, range(self.banding.bands))
        edges = nearest_across(
            self.sketcher,
            Standing(
                np.concatenate([theirs.units, ours.units]),
                np.concatenate([theirs.fingerprints, ours.fingerprints], axis=1),
                np.concatenate([theirs.bits, ours.bits], axis=1),
            ),
            behind,
            (np.concatenate([column(name), corpus.columns(name)[0]]) for name in names),
            read_sets,
            self.threshold,
            absent=absent,
        )
        return Edges(edges.left, edges.right - behind, edges.similarity)

    def _named(self, edges: Edges, corpus: SketchedCorpus, reference: ReferenceRows) -> pl.DataFrame:
        found = pl.DataFrame({"row": edges.right, "reference": edges.left, "similarity": edges.similarity})
        named = found.join(corpus.ids(edges.right), on="row").join(reference.described(edges.left), on="reference")
        return named.select([pl.col(name).cast(dtype) for name, dtype in LIKE.items()]).sort("id")

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `near_duplicate_of_reference`: the similarity to the row of the datasets that the record is
        most like, and where that row stands.
        """
        found = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
        place = pl.coalesce(pl.format("{}:{}", "reference_file", "reference_line"), "reference_file")
        named = pl.format("most like '{}' ({})", "reference_id", place)
        verdict = found.select(
            rule=pl.when(pl.col("similarity").is_not_null()).then(pl.lit("near_duplicate_of_reference")),
            value=pl.col("similarity").round(4).cast(pl.String),
            threshold=pl.lit(f"{self.threshold:g}"),
            detail=pl.coalesce(named, pl.format("most like {}", place)),
        )
        return sort_out(shard, verdict)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return url.startswith(REDIS) and parts.port != 0 and int(parts.path.strip("/") or 0) >= 0
    except ValueError:  # a port or a database that is no number
        return False
