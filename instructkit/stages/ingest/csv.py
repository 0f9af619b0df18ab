"""`ingest.csv`: tables of comma- or tab-separated values."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from instructkit.errors import InputError
from instructkit.hashing import canonical_json
from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.blocks import encoding_faults, line_encoding, lines
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import Bad, Record, document_outcomes
from instructkit.stages.ingest.find import find_files, plain_name
from instructkit.stages.ingest.parts import file_parts

SUFFIXES = (".csv", ".tsv", ".tab")
TABBED = (".tsv", ".tab")


@dataclass(frozen=True, kw_only=True)
class IngestCsv:
    """Tables of separated values, as RFC 4180 has them: each row becomes one document, each cell is text.

    Quoted cells may hold line ends. A row with more or fewer cells than the header, with a NUL, with bytes of another
    encoding or with stray quotes is dropped with its line; a quote that is never closed stops the build, as all rows
    after it are inside it. Blank lines are skipped. A position is the line on which the row begins.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("orjson", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .csv, .tsv and .tab files, with .gz or .zst too) or glob; or a list of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    text: str = "text"
    """Column that holds the text."""
    fields: list[str] | None = None
    """Columns that travel along as fields; default: all but the text."""
    key: str | None = None
    """Column that identifies the record; a value that stands twice stops the build. Without one, ids are made of the
    row's content."""
    language: str | None = None
    """Column that holds the language's ISO 639-1 code, where the source knows it."""
    delimiter: str | None = None
    """Character between cells. Default: a tab for .tsv and .tab files, else a comma."""
    quote: str | None = '"'
    """Character around cells that hold delimiters or line ends; doubled, it stands for itself. null: no quoting."""
    header: bool | list[str] = True
    """true: the first row names the columns. false: they are called column_1, column_2, ... A list: these are their
    names, and the file has no header."""
    encoding: str = "utf-8"
    """Encoding of the files, by Python's names: utf-8, cp1252, utf-16. A UTF-8 byte order mark is skipped."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable rows that a part (a large file, a bucket of small ones) may drop before the build stops."""
    max_line_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    """Longest line, and longest cell; bytes and characters. A longer one stops the build: it may be half of a row."""

    def faults(self) -> list[str]:
        """Unknown encodings, delimiters that are not one character, names that stand twice."""
        faults = encoding_faults(self.encoding)
        for name in ("delimiter", "quote"):
            value = getattr(self, name)
            if value is not None and (len(value) != 1 or value in "\r\n"):
                faults.append(f"{name}: one character is expected, got {value!r}")
        if self.delimiter is not None and self.delimiter == self.quote:
            faults.append(f"delimiter and quote are both {self.quote!r}")
        if isinstance(self.header, list) and (twice := _repeated(self.header)):
            faults.append(f"header: '{twice}' stands twice")
        return faults

    def parts(self, root: Path) -> list[Part]:
        """Large files one by one (a line end may lie inside a cell, so they are not cut), small ones in buckets."""
        return file_parts(find_files(self.path, root, SUFFIXES))

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's rows as documents."""
        records = (record for file in part.files for record in self._rows(file))
        fields = None if self.fields is None else tuple(self.fields)
        columns = Columns(text=self.text, fields=fields, key=self.key, language=self.language)
        return document_outcomes(
            records, source=self.source, columns=columns, part=part, max_bad_lines=self.max_bad_lines
        )

    def _rows(self, file: PartFile) -> Iterator[Record | Bad]:
        names = self.header if isinstance(self.header, list) else None
        for line, cells, fault in self._cells(file):
            if fault is not None:
                yield fault
                continue
            if names is None:
                if self.header is True:
                    names = _header(file, line, cells)
                    continue
                names = [f"column_{number}" for number in range(1, len(cells) + 1)]
            if len(cells) != len(names):
                detail = f"{len(cells)} cells where the header has {len(names)}"
                yield Bad(file, line, "ragged_row", detail, str(len(cells)), str(len(names)))
            elif any("\0" in cell for cell in cells):
                yield Bad(file, line, "nul_character", "a NUL character in a cell")
            elif (cell := next((c for c in cells if not _decoded(c)), None)) is not None:
                byte = next(ord(c) - 0xDC00 for c in cell if "\udc80" <= c <= "\udcff")
                yield Bad(file, line, "undecodable", f"byte 0x{byte:02x} is not {self.encoding}; set encoding", cell)
            else:
                yield Record(file, line, canonical_json(cells).encode(), dict(zip(names, cells, strict=True)))

    def _cells(self, file: PartFile) -> Iterator[tuple[int, list[str], Bad | None]]:
        """(line on which the row begins, cells, or what is wrong with the row)."""
        # One limit for the whole process, by default 131,072 characters. Never lowered: others may count on it.
        csv.field_size_limit(max(csv.field_size_limit(), min(self.max_line_bytes, sys.maxsize)))
        feed = _Feed()
        reader = csv.reader(
            feed.texts(file, self.encoding, self.max_line_bytes),
            delimiter=self.delimiter or ("\t" if plain_name(file.name.lower()).endswith(TABBED) else ","),
            quotechar=self.quote,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            strict=True,
        )
        while True:
            begins = feed.line + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error) or "field limit" in str(error):
                    raise InputError(
                        f"{file.path}:{begins}: a quote opened in this row is not closed ({error}); close it, or set "
                        "quote: null if quotes mean nothing in this file"
                    ) from error
                yield begins, [], Bad(file, begins, "bad_quoting", f"not a row of separated values ({error})")
                continue
            if cells:
                yield begins, cells, None


class _Feed:
    """Feeds a csv reader with lines of text, and knows the number of the last."""

    line = 0

    def texts(self, file: PartFile, encoding: str, max_line_bytes: int) -> Iterator[str]:
        inner = line_encoding(encoding)
        for line in lines(file, encoding, max_line_bytes):
            self.line = line.number
            if line.size > max_line_bytes:
                raise InputError(
                    f"{file.path}:{line.number}: a line of {line.size:,} bytes, longer than max_line_bytes, "
                    f"{max_line_bytes:,}; raise it, or check that the file is a table"
                )
            # Bytes that are no text travel as surrogates until their row is known.
            yield line.data.removesuffix(b"\r").decode(inner, "surrogateescape") + "\n"


def _decoded(cell: str) -> bool:
    return cell.isascii() or not any("\udc80" <= character <= "\udcff" for character in cell)


def _repeated(names: list[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _header(file: PartFile, line: int, names: list[str]) -> list[str]:
    twice = _repeated(names)
    if twice is not None:
        called = f"the column '{twice}' stands twice" if twice else "two columns have no name"
        raise InputError(f"{file.path}:{line}: {called} in the header; give every column its own name by header: [...]")
    return names
