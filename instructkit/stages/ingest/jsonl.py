"""`ingest.jsonl`: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from instructkit.errors import InputError
from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.blocks import encoding_faults, line_encoding, lines
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import Bad, Record, document_outcomes
from instructkit.stages.ingest.find import find_files
from instructkit.stages.ingest.json_line import NotRecordError, parse_object
from instructkit.stages.ingest.parts import LINE_SPACE, line_parts

SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")


@dataclass(frozen=True, kw_only=True)
class IngestJsonl:
    """JSON Lines: one object a line becomes one document.

    Files above 64 MiB are read in ranges, in parallel. Blank lines are skipped. A line that is no JSON object (broken,
    not UTF-8, a NUL, NaN or Infinity, a key twice, half a surrogate pair, too long) is dropped with its file and line.
    A truncated `.gz` or `.zst` stops the build: half a file would look like a whole one.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("orjson", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .jsonl, .ndjson and .jsonlines files, with .gz or .zst too) or glob; or a list of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
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
    """Encoding of the files, by Python's names: utf-8, utf-16, latin-1, gb18030. A UTF-8 byte order mark is skipped."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable lines a part (a file, a 64 MiB range, a bucket of small files) may drop before the build stops."""
    max_line_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    """A longer line is dropped with its size, without being held in memory; bytes."""

    def faults(self) -> list[str]:
        """Unknown encodings."""
        return encoding_faults(self.encoding)

    def parts(self, root: Path) -> list[Part]:
        """Byte ranges of large files, large compressed files, buckets of small ones."""
        files = find_files(self.path, root, SUFFIXES)
        return line_parts(
            files, encoding=self.encoding, max_line_bytes=self.max_line_bytes, count_equals=self.key is None
        )

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's lines as documents."""
        records = (record for file in part.files for record in json_lines(file, self.encoding, self.max_line_bytes))
        fields = None if self.fields is None else tuple(self.fields)
        columns = Columns(text=self.text, fields=fields, key=self.key, language=self.language)
        return document_outcomes(
            records, source=self.source, columns=columns, part=part, max_bad_lines=self.max_bad_lines
        )


def json_lines(file: PartFile, encoding: str, max_line_bytes: int) -> Iterator[Record | Bad]:
    """The records of a file of JSON lines. Raises InputError for a JSON array, a truncated file, a UTF-16 file."""
    inner = line_encoding(encoding)
    for line in lines(file, encoding, max_line_bytes):
        if line.size > max_line_bytes:
            yield Bad(
                file,
                line.number,
                "line_too_long",
                "longer than max_line_bytes",
                f"{line.size} bytes",
                f"{max_line_bytes} bytes",
            )
            continue
        data = line.data.strip(LINE_SPACE)
        if not data:
            continue
        try:
            yield Record(file, line.number, data, parse_object(data, inner))
        except NotRecordError as error:
            if line.number == 1 and data.startswith(b"["):
                raise InputError(
                    f"{file.path}: starts with '[', so it is a JSON array and not one object a line; use ingest.json"
                ) from error
            yield Bad(file, line.number, error.rule, str(error), data.decode("utf-8", "backslashreplace"))
