"""`ingest.parquet`: Parquet tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from instructkit.hashing import DIGEST_BYTES
from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest import limits
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import document_outcomes
from instructkit.stages.ingest.find import Found, find_files
from instructkit.stages.ingest.parquet_rows import check_columns, open_parquet, parquet_records
from instructkit.stages.ingest.parts import file_parts

SUFFIXES = (".parquet",)
ROW_GROUP = "row_group"


@dataclass(frozen=True, kw_only=True)
class IngestParquet:
    """Parquet files: each row becomes one document. Only the columns that are needed are read.

    Lists, structs and maps become JSON; decimals, dates, times and durations become text that keeps every digit, binary
    columns base64 text, NaN null and infinities text. A position is a row, counted from 1.

    With a `key`, the row groups of a large file are read in parallel. Without one a file is read in one go, because
    ids of equal rows count through the file. Without a `key`, too, ids are made of the columns that are read.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("pyarrow", "orjson", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .parquet files) or glob; or a list of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    text: str = "text"
    """Column that holds the text; a dotted path reaches into structs: `article.body`. Binary is read as UTF-8."""
    fields: list[str] | None = None
    """Columns that travel along as fields, dotted paths too; default: all but the text."""
    key: str | None = None
    """Column that identifies the record (text or whole number); a value that stands twice stops the build.
    Without one, ids are made of the row's content."""
    language: str | None = None
    """Column that holds the language's ISO 639-1 code, where the source knows it."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable rows that a part may drop before the build stops."""

    def parts(self, root: Path) -> list[Part]:
        """Row groups of large files where a key is declared; else large files one by one, small ones in buckets."""
        whole_files, parts = list[Found](), list[Part]()
        for found in find_files(self.path, root, SUFFIXES):
            if self.key is not None and found.size > limits.PART_BYTES:
                parts += row_groups(found)
            else:
                whole_files.append(found)
        return file_parts(whole_files) + parts

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's rows as documents."""
        fields = None if self.fields is None else tuple(self.fields)
        columns = Columns(text=self.text, fields=fields, key=self.key, language=self.language)
        group = dict(part.options).get(ROW_GROUP)
        what = {"text": self.text} | {k: v for k, v in {"key": self.key, "language": self.language}.items() if v}
        what |= {f"fields: {name}": name for name in self.fields or ()}
        for file in part.files:
            table = open_parquet(file.path)
            check_columns(file.path, table.schema_arrow.names, what)
            table.close()
        records = (
            record
            for file in part.files
            for record in parquet_records(file, None if group is None else int(group), columns.named(), self.text)
        )
        return document_outcomes(
            records, source=self.source, columns=columns, part=part, max_bad_lines=self.max_bad_lines
        )


def row_groups(found: Found) -> list[Part]:
    """A part for each row group of a file, with the digest of its bytes; the schema is an option."""
    table = open_parquet(found.path)
    metadata, schema = table.metadata, str(table.schema_arrow.remove_metadata())
    table.close()
    parts, row = list[Part](), 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        start, end = _byte_range(group)
        file = PartFile(
            name=found.name,
            path=found.path,
            digest=_range_digest(found.path, start, end),
            start=start,
            end=end,
            first_line=row,
        )
        name = f"{found.name} ({number + 1} of {metadata.num_row_groups})"
        parts.append(Part(name=name, files=(file,), options=((ROW_GROUP, str(number)), ("schema", schema))))
        row += group.num_rows
    return parts


def _byte_range(group: Any) -> tuple[int, int]:
    chunks = [group.column(index) for index in range(group.num_columns)]
    starts = [min(c.data_page_offset, c.dictionary_page_offset or c.data_page_offset) for c in chunks]
    ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    return min(starts), max(ends)


def _range_digest(path: Path, start: int, end: int) -> str:
    state = blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (block := file.read(min(limits.READ_BYTES, left))):
            state.update(block)
            left -= len(block)
    return state.hexdigest()
