"""What the passes ask of a file, whichever its format: blocks of rows, and where each row stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.errors import InputError

Kept = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a block: what is remembered of it from pass to pass, 4 bytes a row or less."""

    count: int
    size: int
    """Of the block, to notice a file that changes while it is read: bytes, or rows."""
    starts: npt.NDArray[np.uint32]
    """Shape (count,): where each row begins in the block's bytes; empty for tables."""
    lines: npt.NDArray[np.uint32] | None
    """Shape (count,): the line of each row in the block, from 0; None where every line is a row."""
    line_count: int

    def lines_of(self, which: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lines in the block, from 0, of some rows."""
        return which if self.lines is None else self.lines[which].astype(np.int64)


class Block(Protocol):
    """Some rows of a file, in order."""

    @property
    def size(self) -> int:
        """Bytes, or rows of a table."""
        ...

    def rows(self) -> Rows:
        """Find them."""
        ...

    def texts(self, rows: Rows) -> pl.Series:
        """The column that is compared, of all rows (String); null where a row has none. Raises InputError."""
        ...

    def some_texts(self, rows: Rows, which: npt.NDArray[np.int64]) -> pl.Series:
        """The column that is compared, of some rows."""
        ...


class Writer(Protocol):
    """A file of kept rows that is being written."""

    def close(self) -> None:
        """Write what is held back."""
        ...


class Source(Protocol):
    """A file to read."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    def blocks(self, column: str, known: Sequence[Rows] = ()) -> Iterator[Block]:
        """Its rows, with no more than the column that is compared where that is cheaper. Raises InputError.

        `known`: what was found in its blocks when they were read before; they come cut in the same way.
        """
        ...

    def columns(self) -> list[str]:
        """The columns of its first rows."""
        ...

    def copy(self, blocks: Sequence[Rows], kept: Kept, out: Any) -> None:
        """Write the rows that are kept to `out`, a writer of this format. `blocks` are those of the file.

        Raises InputError when the file is not what it was.
        """
        ...


def changed(path: Path) -> InputError:
    """A file is not what it was when it was first read."""
    return InputError(f"{path}: changed while it was read, nothing was written; try again when nobody writes to it")
