"""What a stage is: two kinds, and the two ends.

    ingest      parts ─┬─ read ──▶ Outcome, Outcome, …        a source becomes shards
    shard stage        │  apply(shard) ──▶ Outcome            sees one shard and nothing else
    corpus stage       │  sketch(shard) ─▶ decide ─▶ apply    must know the whole corpus; only `decide` is not parallel
    export             ▼  apply(shard) ──▶ Outcome of lines   a shard stage whose rows are the rows of a file

A stage is a frozen, keyword-only dataclass in the file of its name (`filter.length` is `stages/filter/length.py`).
Its fields are the keys of a recipe step, and the docstrings under them are their documentation. It keeps no state and
never looks at the clock, the environment or the order of shards: the runner memoises each call by fields and inputs.

Class variables every stage declares:

    version: ClassVar[int]                    raised when the output for the same input changes
    reads: ClassVar[tuple[Noun, ...]]         nouns it takes; () for an ingest
    yields: ClassVar[Noun | None]             the noun it gives; None: the one it was given
    packages: ClassVar[tuple[str, ...]]       distributions whose version its output depends on (beside polars);
                                              a property where that depends on the fields

`apply` obeys the law of counts: rows in = rows kept + rows dropped, and no id changes or repeats. The runner checks it.

Methods a stage may have, and the runner and the recipe ask for:

    faults(self) -> list[str]                 what is wrong with the fields taken together, for the recipe's author
    unfold(self, root: Path) -> list[Stage]   the stages that a step really runs (`render`: one for each template); the
                                              step's rows are theirs together, and the law holds for each of them
    keyed_inputs(self, root: Path) -> dict    of a stage that is no ingest: what its fields of type InputPath are keyed
                                              by (JSON-like), where that is not the bytes of a file or folder; the
                                              stage is then given paths for `project_path`
    outlook(self, records: pl.LazyFrame | None) -> list[str]   lines for `plan`: what to expect and what it will take,
                                              for these rows (None: not known yet); an error that it raises
                                              is a line too: where the build would stop

An export declares `file_format: ClassVar["jsonl" | "parquet"]`: its kept frame has `id`, `split` and the columns of the
file (one column `line`, the JSON text, for jsonl), and `yields` is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import msgspec
import polars as pl

from instructkit.schema import Noun

InputPath = Annotated[str, msgspec.Meta(extra={"input_path": True})]
"""Type of a field that names a file, folder or glob, relative to the project. Keyed by content, never by name."""

CachePath = Annotated[str, msgspec.Meta(extra={"cache_path": True})]
"""Type of a field that names a folder, relative to the project, or the URL of a server, where something is kept between
builds that can be made anew. Keyed by nothing: the result is the same with and without."""

HERE = "/./"
"""Parts the project's folder from the path that a recipe gives, as rsync has it; elsewhere it means nothing."""


def project_path(path: str | list[str]) -> tuple[Path, str | list[str]]:
    """The project's folder, and one or several paths as the recipe gives them, out of the paths that a call is given.

    Paths that were not put together so are taken as they are, from the current folder.
    """
    paths = [path] if isinstance(path, str) else path
    root = next((Path(each.partition(HERE)[0]) for each in paths if HERE in each), Path())
    given = [each.partition(HERE)[2] if HERE in each else each for each in paths]
    return root, given[0] if isinstance(path, str) else given


class Outcome(NamedTuple):
    """What a call gives: rows that go on, and a `Drop` for each that does not."""

    kept: pl.DataFrame
    dropped: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """A file, or a range of one, that a part reads."""

    name: str
    """Path inside the source: what ids and origins are made of."""
    path: Path
    """Where it lies on this machine; never part of a key."""
    digest: str
    """Content hash of the bytes in the range."""
    start: int = 0
    """First byte."""
    end: int | None = None
    """One past the last byte; None: to the end of the file."""
    first_line: int = 1
    """Line number of the first byte."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a source that one call reads: a file, a byte range of a large one, or a bucket of small ones."""

    name: str
    """Shown in progress and plan."""
    files: tuple[PartFile, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """What else tells the part from its neighbours, for sources that are not files."""


@runtime_checkable
class IngestStage(Protocol):
    """A source of documents, or of examples where it already holds conversations."""

    version: Any
    reads: Any
    yields: Any

    def parts(self, root: Path) -> list[Part]:
        """The parts of the source, in a stable order. `root` is the project folder that paths are relative to.

        Raises InputError when there is nothing to read.
        """
        ...

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's records in source order, in outcomes of bounded size; each becomes a shard of its own.

        Raises InputError when more records are bad than the stage allows.
        """
        ...


@runtime_checkable
class ShardStage(Protocol):
    """Sees one shard and nothing else: parallel, resumable, memoised by the shard."""

    version: Any
    reads: Any
    yields: Any

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Rows that go on, and drops for the others."""
        ...


@runtime_checkable
class CorpusStage(Protocol):
    """Must know the whole corpus; says so in three verbs."""

    version: Any
    reads: Any
    yields: Any

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """What the decision needs to know of the shard, small."""
        ...

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The decision. `records` is scanned lazily, only for the rows that need a second look.

        A decision with an `id` column is cut to each shard's rows; one without goes whole to every shard.
        The result does not depend on the order of rows in either frame.
        """
        ...

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Rows that go on, and drops for the others, by what was decided."""
        ...


Stage = IngestStage | ShardStage | CorpusStage


def noun_after(stage: Stage, noun: Noun | None) -> Noun | None:
    """What a stage's rows are when it is given rows of `noun` (None for an ingest); None for the lines of an export."""
    if hasattr(stage, "file_format"):
        return None
    result: Noun | None = stage.yields or noun
    assert result is not None, f"{type(stage).__name__} yields nothing"
    return result
