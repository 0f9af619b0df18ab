"""JSON Lines as blocks of whole lines: texts out of them, and the lines themselves written again, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.errors import InputError
from instructkit.minhash.sketcher import kernels
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.blocks import DamagedError, blocks
from instructkit.stages.ingest.json_line import NotRecordError, parse_object

BLOCK_BYTES = 8 << 20
"""Of a block; one line makes a longer one where it must."""


@dataclass(frozen=True, kw_only=True)
class LineBlock:
    """Whole lines of a file."""

    path: Path
    offset: int
    """Of the first byte in the (unpacked) file."""
    data: bytes
    column: str

    def starts(self) -> npt.NDArray[np.uint32]:
        """Where each row begins; blank lines are no rows and belong to the row before."""
        starts = np.empty(len(self.data) // 2 + 1, dtype=np.uint32)
        data = np.frombuffer(self.data, dtype=np.uint8)
        count = kernels().line_starts(data, data[: len(data) // 8 * 8].view(np.uint64), starts)
        return starts[:count].copy()

    def texts(self, starts: npt.NDArray[np.uint32]) -> pl.Series:
        """The column of all rows, null where a row has none; what is no text as its JSON."""
        return self._texts(self.data, len(starts))

    def some_texts(self, starts: npt.NDArray[np.uint32], rows: npt.NDArray[np.int64]) -> pl.Series:
        """The column of some rows."""
        ends = np.append(starts[1:], len(self.data))
        view = memoryview(self.data)
        return self._texts(b"".join([view[a:b] for a, b in zip(starts[rows], ends[rows], strict=True)]), len(rows))

    def write(self, starts: npt.NDArray[np.uint32], kept: npt.NDArray[np.bool_], out: BinaryIO) -> None:
        """Write the rows that are kept, as they stand; a last line without its end gets one."""
        ends = np.append(starts[1:], len(self.data))
        turns = np.flatnonzero(np.diff(kept.astype(np.int8), prepend=0, append=0))
        view = memoryview(self.data)
        for first, behind in zip(turns[::2], turns[1::2], strict=True):
            out.write(view[starts[first] : ends[behind - 1]])
        if len(kept) and kept[-1] and not self.data.endswith(b"\n"):
            out.write(b"\n")

    def line_numbers(self, starts: npt.NDArray[np.uint32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Line numbers of rows within the block, from 0."""
        ends = np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == ord("\n"))
        return np.searchsorted(ends, starts[rows])

    def _texts(self, lines: bytes, count: int) -> pl.Series:
        try:
            texts = pl.read_ndjson(lines, schema={self.column: pl.String})[self.column]
        except pl.exceptions.PolarsError as error:
            raise self._fault(str(error)) from error
        if len(texts) != count:
            raise self._fault(f"{count} lines hold {len(texts)} objects")
        return texts

    def _fault(self, otherwise: str) -> InputError:
        """What is wrong with the first bad line."""
        before = sum(block.data.count(b"\n") for block in line_blocks(self.path, self.column, until=self.offset))
        for number, line in enumerate(self.data.split(b"\n"), start=before + 1):
            if line.strip():
                try:
                    parse_object(line)
                except NotRecordError as error:
                    return InputError(f"{self.path}:{number}: {error}; mend the line or take it out")
        return InputError(f"{self.path}: lines {before + 1} and on cannot be read: {otherwise}")


def line_blocks(path: Path, column: str, until: int | None = None) -> Iterator[LineBlock]:
    """The file in blocks of whole lines, unpacked where it is .gz or .zst. Raises InputError where it is damaged."""
    offset = 0
    held: list[bytes | memoryview] = []
    size = 0
    try:
        for piece in blocks(PartFile(name=path.name, path=path, digest=""), BLOCK_BYTES):
            cut = piece.rfind(b"\n") + 1
            size += len(piece)
            if cut == 0 or size < BLOCK_BYTES:
                held.append(piece)
                continue
            view = memoryview(piece)
            data = b"".join([*held, view[:cut]])
            yield LineBlock(path=path, offset=offset, data=data, column=column)
            offset += len(data)
            held, size = [view[cut:]], len(piece) - cut
            if until is not None and offset >= until:
                return
    except DamagedError as error:
        raise InputError(f"{path}: {error}; fetch it again") from error
    if data := b"".join(held):
        yield LineBlock(path=path, offset=offset, data=data, column=column)


def columns_of(block: LineBlock) -> Sequence[str]:
    """Keys of a block's first row."""
    return list(parse_object(next(line for line in block.data.split(b"\n") if line.strip())))
