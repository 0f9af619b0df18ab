"""`ingest.text`: plain text, Markdown and HTML, by the file, paragraph or line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.blocks import UTF8_BOM, WIDE_BOMS, encoding_faults, is_wide, line_encoding, lines, whole
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import Bad, Record, document_outcomes
from instructkit.stages.ingest.find import find_files, plain_name
from instructkit.stages.ingest.html_text import declared_encoding, html_text
from instructkit.stages.ingest.json_line import NotRecordError, decode
from instructkit.stages.ingest.parts import LINE_SPACE, file_parts, line_parts

HTML = (".html", ".htm", ".xhtml")
MARKDOWN = (".md", ".markdown")
SUFFIXES = (".txt", ".text", ".rst", *MARKDOWN, *HTML)
FENCE = re.compile(r" {0,3}(```+|~~~+)")


@dataclass(frozen=True, kw_only=True)
class IngestText:
    """Text files: each file, paragraph or line becomes one document.

    HTML is laid out as plain text (inscriptis), its title becomes the field `title`; Markdown stays as it is. Text that
    is empty, holds a NUL character or is not of the encoding is dropped with its position.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("inscriptis", "lxml", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .txt, .text, .rst, .md, .markdown, .html, .htm and .xhtml files, with .gz or .zst too) or glob;
    or a list of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    unit: Literal["file", "paragraph", "line"] = "file"
    """What becomes a document. Paragraphs are parted by blank lines; in Markdown a fenced block of code is not parted.
    Blank lines give nothing."""
    encoding: str = "utf-8"
    """Encoding of the files, by Python's names. A UTF-8 byte order mark is skipped; a page's own `charset` wins."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable files, paragraphs or lines that a part may drop before the build stops."""
    max_line_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    """A longer line, paragraph or file is dropped with its size; bytes."""

    def faults(self) -> list[str]:
        """Unknown encodings."""
        return encoding_faults(self.encoding)

    def parts(self, root: Path) -> list[Part]:
        """Large files one by one (in byte ranges, for lines), small ones in buckets."""
        files = find_files(self.path, root, SUFFIXES)
        if self.unit != "line":
            return file_parts(files)
        pages = [found for found in files if _is_html(found.name)]
        plain = [found for found in files if not _is_html(found.name)]
        return file_parts(pages) + line_parts(
            plain, encoding=self.encoding, max_line_bytes=self.max_line_bytes, count_equals=True
        )

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's texts as documents."""
        records = (record for file in part.files for record in self._records(file))
        return document_outcomes(
            records, source=self.source, columns=Columns(text="text"), part=part, max_bad_lines=self.max_bad_lines
        )

    def _records(self, file: PartFile) -> Iterator[Record | Bad]:
        if _is_html(file.name) or self.unit == "file":
            yield from self._file(file)
        elif self.unit == "line":
            for number, data in self._lines(file):
                if isinstance(data, Bad):
                    yield data
                elif data.strip(LINE_SPACE):
                    yield _judged(file, number, data.removesuffix(b"\r"), line_encoding(self.encoding), {})
        else:
            yield from self._paragraphs(file)

    def _lines(self, file: PartFile) -> Iterator[tuple[int, bytes | Bad]]:
        for line in lines(file, self.encoding, self.max_line_bytes):
            if line.size > self.max_line_bytes:
                yield line.number, _too_long(file, line.number, line.size, self.max_line_bytes)
            else:
                yield line.number, line.data

    def _file(self, file: PartFile) -> Iterator[Record | Bad]:
        data = whole(file, self.max_line_bytes)
        if data is None:
            yield Bad(file, None, "file_too_long", "longer than max_line_bytes", None, f"{self.max_line_bytes} bytes")
            return
        bom = next((name for mark, name in WIDE_BOMS.items() if data.startswith(mark)), None)
        if bom and not is_wide(self.encoding):
            detail = f"starts with the byte order mark of {bom}, expected {self.encoding}; set encoding: {bom}"
            yield Bad(file, None, "undecodable", detail)
            return
        encoding, fields = self.encoding, dict[str, str]()
        content = data.removeprefix(UTF8_BOM)
        if _is_html(file.name):
            try:
                declared = declared_encoding(content) if content is data else None
                page = decode(content, declared or self.encoding)
                text, title = html_text(page) if page.strip() else ("", None)
            except NotRecordError as error:
                yield Bad(file, None, error.rule, str(error).replace("of the line", "of the file"))
                return
            except (LookupError, ValueError) as error:
                yield Bad(file, None, "not_html", str(error))
                return
            fields = {"title": title} if title else {}
            content, encoding = text.encode(), "utf-8"
        if self.unit == "file":
            yield _judged(file, None, content, encoding, fields)
            return
        pieces = content.split(b"\n") if self.unit == "line" else re.split(rb"\n(?:[ \t\r]*\n)+", content)
        for row, piece in enumerate((piece for piece in pieces if piece.strip()), 1):
            yield _judged(file, row, piece.strip(b"\n"), encoding, fields)

    def _paragraphs(self, file: PartFile) -> Iterator[Record | Bad]:
        held, began, size, fence = list[bytes](), 0, 0, ""
        fenced = plain_name(file.name.lower()).endswith(MARKDOWN)
        inner = line_encoding(self.encoding)
        for number, data in self._lines(file):
            if isinstance(data, Bad):
                yield data
                continue
            data = data.removesuffix(b"\r")
            if fenced and (mark := FENCE.match(data.decode("latin-1"))):
                fence = _fence_after(fence, mark.group(1), data)
            if data.strip(LINE_SPACE) or (fence and held):
                began = number if not held else began
                size += len(data) + 1
                if size - 1 <= self.max_line_bytes:  # a longer paragraph is counted, not held
                    held.append(data)
                continue
            if held:
                yield self._paragraph(file, began, held, size, inner)
            held, size = [], 0
        if held:
            yield self._paragraph(file, began, held, size, inner)

    def _paragraph(self, file: PartFile, began: int, held: list[bytes], size: int, encoding: str) -> Record | Bad:
        if size - 1 > self.max_line_bytes:
            return _too_long(file, began, size - 1, self.max_line_bytes)
        return _judged(file, began, b"\n".join(held), encoding, {})


def _is_html(name: str) -> bool:
    return plain_name(name.lower()).endswith(HTML)


def _fence_after(fence: str, mark: str, line: bytes) -> str:
    """The fence that is open after a line that begins with `mark`; "" for none (CommonMark 0.31, section 4.5)."""
    if not fence:
        return mark
    closes = mark[0] == fence[0] and len(mark) >= len(fence) and not line.strip().strip(mark[0].encode())
    return "" if closes else fence


def _too_long(file: PartFile, line: int, size: int, limit: int) -> Bad:
    return Bad(file, line, "line_too_long", "longer than max_line_bytes", f"{size} bytes", f"{limit} bytes")


def _judged(file: PartFile, line: int | None, data: bytes, encoding: str, fields: dict[str, str]) -> Record | Bad:
    where = "file" if line is None else "line" if data.count(b"\n") == 0 else "paragraph"
    try:
        text = decode(data, encoding)
    except NotRecordError as error:
        return Bad(file, line, error.rule, str(error).replace("of the line", f"of the {where}"))
    if "\0" in text:
        place = f"a NUL character at character {text.index(chr(0)) + 1} of the {where}"
        return Bad(file, line, "nul_character", f"{place}: not text, or of another encoding")
    content = data.strip(LINE_SPACE) if where == "line" else data
    return Record(file, line, content, {**fields, "text": text.replace("\r\n", "\n")})
