"""JSON Lines as blocks of whole lines: texts out of them, and the lines themselves written again, byte for byte."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.dedupe.lines import whole_lines
from instructkit.dedupe.rows import Kept, Rows, changed
from instructkit.errors import InputError
from instructkit.minhash.sketcher import kernels
from instructkit.stages.ingest.json_line import NotRecordError, parse_object

BLOCK_BYTES = 2 << 20
"""Of a block; a longer line makes a longer one. Blocks of 8 MB take a fifth more time: they outgrow the caches."""
LONGEST_BLOCK = (1 << 32) - 1
"""Bytes of one line, at most: positions in a block have 32 bits."""
JSON_SPACE = b" \t\r"
LOOKED_AT = 1000
"""Rows whose keys are listed where a column is not found."""


@dataclass(frozen=True)
class JsonLines:
    """A file of JSON Lines, plain or packed by gzip or zstd."""

    path: Path

    def blocks(self, column: str, known: Sequence[Rows] = ()) -> Iterator[LineBlock]:
        """The file in blocks of whole lines, without its byte order mark.

        Raises InputError where the file is damaged, is no UTF-8, or holds a line of 4 GiB.
        """
        offset = 0
        for data in whole_lines(self.path, BLOCK_BYTES, [rows.size for rows in known]):
            if len(data) > LONGEST_BLOCK:
                raise InputError(f"{self.path}: a line of {len(data):,} bytes, expected 4 GiB at most; take it out")
            yield LineBlock(self.path, offset, data, column)
            offset += len(data)

    def columns(self) -> list[str]:
        """Keys of the first rows, in the order in which they come up."""
        found: dict[str, None] = {}
        first = next(self.blocks(""), None)
        for line in [] if first is None else first.data.split(b"\n", LOOKED_AT)[:LOOKED_AT]:
            if line.strip():
                found |= dict.fromkeys(parse_object(line))
        return list(found)

    def copy(self, blocks: Sequence[Rows], kept: Kept, out: LineWriter) -> None:
        """Write the lines that are kept, as they stand."""
        row = 0
        for rows, block in zip(blocks, self.blocks("", blocks), strict=False):
            if rows.size != block.size:
                raise changed(self.path)
            block.write(rows, kept[row : row + rows.count], out.file)
            row += rows.count


@dataclass(frozen=True)
class LineBlock:
    """Whole lines of a file. Only the file's last may lack its line feed."""

    path: Path
    offset: int
    """Of the first byte in the file, unpacked and without byte order mark."""
    data: bytes
    column: str

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def rows(self) -> Rows:
        """Lines that hold more than white space."""
        data = np.frombuffer(self.data, dtype=np.uint8)
        starts = np.empty(len(data) // 2 + 1, dtype=np.uint32)  # memory is only taken where it is written
        count = kernels().line_starts(data, data[: len(data) // 8 * 8].view(np.uint64), starts)
        starts = starts[:count].copy()
        if not self._blank_lines(starts):
            return Rows(count=count, size=self.size, starts=starts, lines=None, line_count=count)
        lines = np.searchsorted(self._feeds, starts).astype(np.uint32)
        return Rows(count=count, size=self.size, starts=starts, lines=lines, line_count=len(self._feeds))

    def _blank_lines(self, starts: npt.NDArray[np.uint32]) -> bool:
        """Whether there may be some: a row is followed by white space other than one line end."""
        if not len(starts) or starts[0]:
            return True
        data = np.frombuffer(self.data, dtype=np.uint8)
        ends = np.append(starts[1:], len(data))  # a row is two bytes long at least, `{}`, or is no JSON
        last = data[ends - 1 - (data[ends - 1] == ord("\n"))]
        returns = np.flatnonzero(last == ord("\r"))
        last[returns] = data[np.maximum(ends[returns].astype(np.int64) - 3, 0)]
        return bool((last <= ord(" ")).any())

    def texts(self, rows: Rows) -> pl.Series:
        """The column of all rows, null where a row has none; what is no text as its JSON."""
        try:
            return self._texts(self.data, rows.count)
        except pl.exceptions.PolarsError as error:
            raise self._fault(str(error)) from error

    def some_texts(self, rows: Rows, which: npt.NDArray[np.int64]) -> pl.Series:
        """The column of some rows, all of which have been read before. Raises InputError where they are others now."""
        ends = self._ends(rows)[which].tolist()
        view = memoryview(self.data)
        lines = [view[start:end] for start, end in zip(rows.starts[which].tolist(), ends, strict=True)]
        try:
            return self._texts(b"".join(lines), len(which))
        except pl.exceptions.PolarsError as error:
            raise changed(self.path) from error

    def write(self, rows: Rows, kept: Kept, out: BinaryIO) -> None:
        """Write the rows that are kept, as they stand and nothing between them; the last gets its line feed."""
        ends = self._ends(rows)
        joined = kept[1:] & kept[:-1] & (ends[:-1] == rows.starts[1:])
        opens, closes = kept.copy(), kept.copy()
        opens[1:] &= ~joined
        closes[:-1] &= ~joined
        view = memoryview(self.data)
        runs = zip(rows.starts[opens].tolist(), ends[closes].tolist(), strict=True)
        out.write(b"".join([view[start:end] for start, end in runs]))
        if kept.any() and kept[-1] and ends[-1] == len(self.data) and not self.data.endswith(b"\n"):
            out.write(b"\n")

    @cached_property
    def _feeds(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == ord("\n"))

    def _ends(self, rows: Rows) -> npt.NDArray[np.int64]:
        """One past the last byte of each row, its line feed included."""
        if rows.lines is None:
            return np.append(rows.starts[1:].astype(np.int64), len(self.data))[: rows.count]
        return np.append(self._feeds + 1, len(self.data))[rows.lines]

    def _texts(self, lines: bytes, count: int) -> pl.Series:
        texts = pl.read_ndjson(lines, schema={self.column: pl.String})[self.column]
        if len(texts) != count:
            raise pl.exceptions.ComputeError(f"{count} lines, but {len(texts)} objects")
        return texts

    def _fault(self, otherwise: str) -> InputError:
        """What is wrong with the first bad line."""
        lines = self.data.split(b"\n")

        def bad(count: int) -> bool:
            rows = sum(1 for line in lines[:count] if line.strip(JSON_SPACE))
            try:
                self._texts(b"\n".join(lines[:count]), rows)
            except pl.exceptions.PolarsError:
                return True
            return False

        number = bisect_left(range(1, len(lines)), True, key=bad)
        before = sum(block.data.count(b"\n") for block in _until(self))
        try:
            parse_object(lines[number])
        except NotRecordError as error:
            otherwise = str(error)
        way_out = "mend the line, or take it out"
        if before + number == 0 and lines[0].startswith(b"["):
            way_out = "a file that is one array has to be made lines first: `jq -c '.[]' FILE`"
        return InputError(f"{self.path}:{before + number + 1}: {otherwise}; {way_out}")


def _until(block: LineBlock) -> Iterator[LineBlock]:
    """The blocks before this one."""
    for other in JsonLines(block.path).blocks(block.column):
        if other.offset >= block.offset:
            return
        yield other


class LineWriter:
    """A file of lines that is being written, packed by gzip or zstd where `suffix` says so."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._raw = path.open("wb", buffering=1 << 20)
        self.file: BinaryIO = self._raw
        if suffix == ".gz":
            import gzip

            # No name and no time of writing in it: equal rows, equal bytes.
            self.file = cast("BinaryIO", gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0))
        elif suffix == ".zst":
            import zstandard

            self.file = zstandard.ZstdCompressor().stream_writer(self._raw, closefd=False)

    def close(self) -> None:
        """Write what is held back."""
        self.file.close()
        self._raw.close()
