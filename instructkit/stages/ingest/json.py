"""`ingest.json`: an array of objects in a file, or one object a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part
from instructkit.stages.ingest.blocks import encoding_faults
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import document_outcomes
from instructkit.stages.ingest.find import find_files
from instructkit.stages.ingest.json_array import json_records
from instructkit.stages.ingest.parts import file_parts

SUFFIXES = (".json",)


@dataclass(frozen=True, kw_only=True)
class IngestJson:
    """JSON files: each object of an array becomes one document; a file that is one object becomes one document.

    Arrays are read as a stream, so memory is bounded by the largest object. A position is a row, counted from 1. An
    object that cannot be held (a key twice, NaN, half a surrogate pair, bytes of another encoding) is dropped with its
    row; a file that stops being JSON within its array stops the build, as nobody knows where the next object begins.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("orjson", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .json files, with .gz or .zst too) or glob; or a list of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    records: str | None = None
    """Dotted path to the array: `data.items`. It reaches through arrays: with `data.paragraphs` each paragraph of each
    element of `data` is a record, and carries what stands beside it (a title, say). Default: the array at the top."""
    text: str = "text"
    """Column that holds the text; a dotted path reaches into objects: `article.body`."""
    fields: list[str] | None = None
    """Columns that travel along as fields, dotted paths too; default: all but the text."""
    key: str | None = None
    """Column that identifies the record (text or whole number); a value that stands twice stops the build.
    Without one, ids are made of the record's content."""
    language: str | None = None
    """Column that holds the language's ISO 639-1 code, where the source knows it."""
    encoding: str = "utf-8"
    """Encoding of the files, by Python's names. A UTF-8 byte order mark is skipped."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable records that a part (a large file, a bucket of small ones) may drop before the build stops."""
    max_record_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    """Size of a record (or of what stands before the array) at which the build stops; characters of the file."""

    def faults(self) -> list[str]:
        """Unknown encodings, empty steps in `records`."""
        steps = (
            ["records: a dotted path has a name between dots"] if self.records and "" in self.records.split(".") else []
        )
        return encoding_faults(self.encoding) + steps

    def parts(self, root: Path) -> list[Part]:
        """Large files one by one, small ones in buckets."""
        return file_parts(find_files(self.path, root, SUFFIXES))

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's objects as documents."""
        records = (
            record
            for file in part.files
            for record in json_records(file, self.encoding, self.records, self.max_record_bytes)
        )
        fields = None if self.fields is None else tuple(self.fields)
        columns = Columns(text=self.text, fields=fields, key=self.key, language=self.language)
        return document_outcomes(
            records, source=self.source, columns=columns, part=part, max_bad_lines=self.max_bad_lines
        )
