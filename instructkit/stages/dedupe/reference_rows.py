"""Rows of a reference by number: file after file, all of them or those that an index named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from instructkit.stages.dedupe.reference import Numbers, ReferenceFile, Row, read_rows
from instructkit.text.view import View

CHUNK_ROWS = 16_384
CHUNK_CHARACTERS = 8 << 20
"""A chunk of texts is closed at either."""
EXCERPT_CHARACTERS = 2_000
"""Of the text of a repeated row that a decision keeps."""
EXCERPTS = 50_000
"""Repeated rows whose text a decision keeps, the first ones: 100 million characters at most."""


@dataclass(frozen=True, kw_only=True)
class ReferenceRows:
    """The rows of some files. Their numbers run on from file to file, in the order of the rows."""

    files: Sequence[ReferenceFile]
    text: str | None
    of: View
    chosen: Sequence[Numbers] | None = None
    """Of each file the rows that are meant, sorted; None: all."""
    counts: Numbers | None = None
    """Rows of each file that are meant, once they are known."""

    def only(self, chosen: Sequence[Numbers]) -> ReferenceRows:
        """The same files, with fewer rows."""
        return replace(self, chosen=chosen, counts=np.array([len(some) for some in chosen], dtype=np.int64))

    def counted(self, counts: Numbers) -> ReferenceRows:
        """The same rows, now that reading has shown how many there are."""
        return replace(self, counts=counts)

    @property
    def rows(self) -> int:
        """How many there are."""
        assert self.counts is not None, "counted"
        return int(self.counts.sum())

    def chunks(self, file: int) -> Iterator[pl.Series]:
        """The texts of a file's rows, in order."""
        wanted = None if self.chosen is None else self.chosen[file]
        if wanted is not None and not len(wanted):
            return
        rows = read_rows(self.files[file], self.text, self.of, wanted)
        for chunk in _chunked((row.number, row) for row in rows):
            yield chunk["text"]

    def texts(self, rows: Numbers) -> Iterator[pl.DataFrame]:
        """The texts of some rows (sorted), in chunks with columns `row` and `text`."""
        yield from _chunked((number, row) for _, number, row in self._read(rows))

    def described(self, rows: Numbers) -> pl.DataFrame:
        """What a decision says about some rows; columns `reference` (their numbers) and those of `against.LIKE`."""
        names = {"reference": pl.Int64, "reference_file": pl.String, "reference_line": pl.Int64}
        names |= {"reference_id": pl.String, "reference_text": pl.String, "reference_characters": pl.Int64}
        said = []
        for place, (file, number, row) in enumerate(self._read(np.unique(rows))):
            text = row.text or ""
            excerpt = text[:EXCERPT_CHARACTERS] if place < EXCERPTS else None
            said.append((number, file.name, row.line, row.id, excerpt, len(text)))
        return pl.DataFrame(said, schema=names, orient="row")

    def _read(self, rows: Numbers) -> Iterator[tuple[ReferenceFile, int, Row]]:
        """Some rows with their file and number, in order; files without one of them are not opened."""
        assert self.counts is not None, "counted"
        behind = np.cumsum(self.counts)
        bounds = np.searchsorted(rows, np.append(0, behind))
        for number, file in enumerate(self.files):
            here = rows[bounds[number] : bounds[number + 1]]
            if not len(here):
                continue
            inside = here - (behind[number] - self.counts[number])
            wanted = inside if self.chosen is None else self.chosen[number][inside]
            for own, row in zip(here.tolist(), read_rows(file, self.text, self.of, wanted), strict=True):
                yield file, own, row


def _chunked(rows: Iterable[tuple[int, Row]]) -> Iterator[pl.DataFrame]:
    numbers: list[int] = []
    texts: list[str | None] = []
    size = 0
    for number, row in rows:
        numbers.append(number)
        texts.append(row.text)
        size += len(row.text or "")
        if len(texts) >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield _frame(numbers, texts)
            numbers, texts, size = [], [], 0
    if texts:
        yield _frame(numbers, texts)


def _frame(numbers: list[int], texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"row": numbers, "text": texts}, schema={"row": pl.Int64, "text": pl.String})
