"""All rows of all files under one number each: row numbers to files and lines, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.dedupe.rows import Block, Rows, Source, changed

RowNumbers = npt.NDArray[np.int64]


class Place(NamedTuple):
    """A block of a file."""

    file: int
    block: Block


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


class Corpus:
    """The files in order, and what is known of the blocks read so far."""

    def __init__(self, sources: Sequence[Source], column: str) -> None:
        self.sources = sources
        self.column = column
        self._stamps = [_stamp(source.path) for source in sources]
        self._blocks: list[Rows] = []
        self._files: list[int] = []

    def read(self) -> Iterator[Place]:
        """All blocks, in order."""
        for file, source in enumerate(self.sources):
            for block in source.blocks(self.column):
                yield Place(file, block)

    def add(self, file: int, rows: Rows) -> None:
        """Remember the next block."""
        self._files.append(file)
        self._blocks.append(rows)

    def read_again(self) -> Iterator[tuple[int, Rows, Block]]:
        """All blocks with the number of their first row. Raises InputError where a file has changed meanwhile."""
        row = 0
        for file, source in enumerate(self.sources):
            known = self.blocks_of(file)
            for rows, block in zip(known, source.blocks(self.column, known), strict=False):
                if rows.size != block.size:
                    raise changed(source.path)
                yield row, rows, block
                row += rows.count

    def check_unchanged(self) -> None:
        """Raises InputError where somebody has written to a file since the first pass began."""
        for source, before in zip(self.sources, self._stamps, strict=True):
            if _stamp(source.path) != before:
                raise changed(source.path)

    @property
    def rows(self) -> int:
        """Rows of the blocks known so far."""
        return sum(rows.count for rows in self._blocks)

    def file_ends(self) -> RowNumbers:
        """One past the last row of each file."""
        counts = np.zeros(len(self.sources), dtype=np.int64)
        np.add.at(counts, self._files, [rows.count for rows in self._blocks])
        return np.cumsum(counts)

    def blocks_of(self, file: int) -> list[Rows]:
        """What is known of a file's blocks."""
        return [rows for rows, other in zip(self._blocks, self._files, strict=True) if other == file]

    def locate(self, rows: RowNumbers) -> tuple[RowNumbers, RowNumbers]:
        """Which file each row is in, and on which line, counted from 1 (of a table: which row)."""
        ends = np.cumsum([block.count for block in self._blocks], dtype=np.int64)
        files = np.array(self._files, dtype=np.int64)
        # Lines before each block in its file.
        lines = np.array([block.line_count for block in self._blocks], dtype=np.int64)
        before = np.cumsum(lines) - lines
        opens = np.searchsorted(files, files)  # the first block of the same file
        before -= before[opens]
        blocks = np.searchsorted(ends, rows, side="right")
        result = np.empty(len(rows), dtype=np.int64)
        for number in np.unique(blocks):
            here = blocks == number
            block = self._blocks[number]
            result[here] = before[number] + block.lines_of(rows[here] - (ends[number] - block.count)) + 1
        return files[blocks], result
