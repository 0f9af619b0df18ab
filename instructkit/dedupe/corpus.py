"""All rows of all files under one number each: row numbers to files and lines, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.dedupe.rows import Block, Rows, Source, changed

RowNumbers = npt.NDArray[np.int64]


class Place(NamedTuple):
    """A block of a file."""

    file: int
    block: Block


class Corpus:
    """The files in order, and what is known of the blocks read so far."""

    def __init__(self, sources: Sequence[Source], column: str) -> None:
        self.sources = sources
        self.column = column
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
        for at, (file, block) in enumerate(self.read()):
            if at == len(self._blocks) or (self._files[at], self._blocks[at].size) != (file, block.size):
                raise changed(self.sources[file].path)
            yield row, self._blocks[at], block
            row += self._blocks[at].count

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
