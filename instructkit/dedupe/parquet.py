"""Parquet tables as batches of rows: texts out of one column, and whole rows written again with schema and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.dedupe.rows import Kept, Rows, changed
from instructkit.errors import InputError
from instructkit.stages.ingest.parquet_rows import open_parquet

BATCH_BYTES = 8 << 20
"""Of a batch of rows, as the file's own statistics tell it."""
BATCH_ROWS = 1 << 16
"""Rows of a batch, at most."""
GROUP_BYTES = 64 << 20
"""Of the row groups that are written."""
GROUP_ROWS = 1 << 20
"""Rows of a row group that is written, give or take a batch."""
NO_STARTS: npt.NDArray[np.uint32] = np.empty(0, dtype=np.uint32)


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file."""

    path: Path

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema, metadata included. Raises InputError for a file that is no Parquet."""
        with open_parquet(self.path) as file:
            return file.schema_arrow

    @cached_property
    def compression(self) -> str:
        """Of the first column of the first row group; of the others it is nearly always the same."""
        with open_parquet(self.path) as file:
            if not file.metadata.num_row_groups or not file.metadata.num_columns:
                return "SNAPPY"
            name = str(file.metadata.row_group(0).column(0).compression)
            return "NONE" if name == "UNCOMPRESSED" else name

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def blocks(self, column: str, known: Sequence[Rows] = ()) -> Iterator[ColumnBatch]:
        """The column, in batches; nulls where the file has none of that name. Raises InputError for a damaged file."""
        import pyarrow as pa

        there = column in self.schema.names
        for batch in self._batches([column] if there else []):
            # By its name: of a struct `a` and a column `a.b` both are read for either name.
            values = batch.column(batch.schema.names.index(column)) if there else pa.nulls(len(batch), pa.string())
            yield ColumnBatch(self.path, values, column)

    def copy(self, blocks: Sequence[Rows], kept: Kept, out: TableWriter) -> None:
        """Write the rows that are kept."""
        import pyarrow as pa

        row = 0
        for batch in self._batches(None):
            out.write(batch.filter(pa.array(kept[row : row + len(batch)])))
            row += len(batch)
        if row != len(kept):
            raise changed(self.path)

    def _batches(self, columns: list[str] | None) -> Iterator[Any]:
        import pyarrow as pa

        with open_parquet(self.path) as file:
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            size = sum(group.total_byte_size for group in groups)
            rows = max(1, min(BATCH_ROWS, BATCH_BYTES * file.metadata.num_rows // max(size, 1)))
            try:
                # Not on threads of its own: batches are worked on by ours.
                yield from file.iter_batches(rows, columns=columns, use_threads=False)
            except (pa.ArrowException, OSError) as error:
                reason = (str(error).splitlines() or ["no reason given"])[0]
                raise InputError(f"{self.path}: cannot be read on ({reason}); fetch it again") from error


@dataclass(frozen=True)
class ColumnBatch:
    """The column that is compared, of some rows."""

    path: Path
    values: Any
    """A pyarrow.Array."""
    column: str

    @property
    def size(self) -> int:
        """Rows."""
        return len(self.values)

    def rows(self) -> Rows:
        """All of them."""
        return Rows(count=self.size, size=self.size, starts=NO_STARTS, lines=None, line_count=self.size)

    def texts(self, rows: Rows) -> pl.Series:
        """The column; what is no text as text, or as JSON where it is nested. Raises InputError."""
        return self._texts(self.values)

    def some_texts(self, rows: Rows, which: npt.NDArray[np.int64]) -> pl.Series:
        """The column of some rows."""
        return self._texts(self.values.take(which))

    def _texts(self, values: Any) -> pl.Series:
        import pyarrow as pa

        try:
            return _as_texts(values)
        except (pa.ArrowException, pl.exceptions.PolarsError) as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise InputError(
                f"{self.path}: column '{self.column}' ({values.type}) cannot be compared as text: {reason}"
            ) from error


def _as_texts(values: Any) -> pl.Series:
    import pyarrow as pa

    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _as_texts(values.storage)
    if pa.types.is_dictionary(kind):
        return _as_texts(values.dictionary_decode())
    if not pa.types.is_nested(kind):
        return pl.Series(pl.from_arrow(values.cast(pa.large_string())), dtype=pl.String)
    nested = pl.Series(pl.from_arrow(values)).alias("")
    encoded = nested.to_frame().to_struct().struct.json_encode()
    inner = encoded.str.strip_prefix('{"":').str.strip_suffix("}")
    return pl.select(pl.when(nested.is_not_null()).then(inner)).to_series()


class TableWriter:
    """A Parquet file that is being written, its row groups of even size."""

    def __init__(self, path: Path, schema: Any, compression: str) -> None:
        import pyarrow.parquet as pq

        # Nothing but the data types that the file had: dictionaries and time zones are in the Arrow schema.
        self._out = pq.ParquetWriter(path, schema, compression=compression)
        self._schema = schema
        self._held: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, batch: Any) -> None:
        """Add the rows of a `pyarrow.RecordBatch`."""
        self._held.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is held back, and the file's end."""
        if self._rows:
            self._flush()
        self._out.close()

    def _flush(self) -> None:
        import pyarrow as pa

        # Batches of a file whose schema differs in its metadata only: the metadata of the first file is that of all.
        columns = [pa.RecordBatch.from_arrays(batch.columns, schema=self._schema) for batch in self._held]
        self._out.write_table(pa.Table.from_batches(columns, schema=self._schema), row_group_size=self._rows)
        self._held = []
        self._rows = self._bytes = 0
