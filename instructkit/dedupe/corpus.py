"""All rows of all files under one number each: row numbers to files and lines, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instructkit.dedupe.rows import Block, Rows, Source, changed
from instructkit.minhash.duplicates import RowNumbers


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
        self.blocks: list[list[Rows]] = [[] for _ in sources]
        """Of each file."""

    def read(self) -> Iterator[Place]:
        """All blocks, in order."""
        for file, source in enumerate(self.sources):
            for block in source.blocks(self.column):
                yield Place(file, block)

    def read_again(self) -> Iterator[tuple[int, Rows, Block]]:
        """All blocks with the number of their first row. Raises InputError where a file has changed meanwhile."""
        row = 0
        for source, known in zip(self.sources, self.blocks, strict=True):
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
        return int(self.file_ends()[-1])

    def file_ends(self) -> RowNumbers:
        """One past the last row of each file."""
        return np.cumsum([sum(rows.count for rows in blocks) for blocks in self.blocks], dtype=np.int64)

    def locate(self, rows: RowNumbers) -> tuple[RowNumbers, RowNumbers]:
        """Which file each row is in, and on which line, counted from 1 (of a table: which row)."""
        found = np.empty((2, len(rows)), dtype=np.int64)
        order = np.argsort(rows)
        ordered = rows[order]
        first = 0
        for file, blocks in enumerate(self.blocks):
            line = 1
            for block in blocks:
                here = slice(*np.searchsorted(ordered, [first, first + block.count]))
                found[0, order[here]] = file
                found[1, order[here]] = block.lines_of(ordered[here] - first) + line
                first += block.count
                line += block.line_count
        return found[0], found[1]
