"""Rows of Parquet and Arrow files as JSON-like records, in bounded memory.

string, large_string     text                  decimal                  text, every digit kept
int, bool, null          as they are           date, time, timestamp    text, ISO 8601
float                    number; NaN is null,  duration                 number of seconds as text
                         infinity is text      binary                   text, base64
list                     list                  struct                   object
map                      object (text keys), else a list of [key, value]
dictionary               the value it stands for
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from instructkit.errors import InputError, did_you_mean
from instructkit.hashing import canonical_json
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.documents import Bad, Record
from instructkit.stages.ingest.json_line import NotRecordError, decode

BATCH_ROWS = 1024
"""Rows decoded at a time: Arrow, then Python objects."""


def jsonable(value: Any) -> Any:
    """A value of a column as JSON holds it, see the table at the head of this module."""
    kind = type(value)
    if kind in (str, int, bool, type(None)):
        return value
    if kind is float:
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if kind is list:
        if value and all(type(item) is tuple and len(item) == 2 for item in value):
            if all(type(key) is str for key, _ in value):
                return {key: jsonable(item) for key, item in value}
            return [[jsonable(key), jsonable(item)] for key, item in value]
        return [jsonable(item) for item in value]
    if kind is dict:
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(Decimal(value // timedelta(microseconds=1)) / 1_000_000)
    return str(value)


def open_parquet(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`. Raises InputError for a file that is none, or is cut short."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=False, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); fetch it again") from error


def parquet_records(
    file: PartFile, row_group: int | None, named: list[str] | None, text: str | None
) -> Iterator[Record | Bad]:
    """The rows of a file or of one of its row groups, `line` being the row counted from 1.

    Only the top-level columns of `named` are read (None: all). A binary column `text` is read as UTF-8 text, the way
    older writers store it. Raises InputError where the file breaks off.
    """
    import pyarrow as pa

    table = open_parquet(file.path)
    try:
        schema = table.schema_arrow
        columns = None if named is None else [name for name in schema.names if _is_named(name, named)]
        groups = list(range(table.num_row_groups)) if row_group is None else [row_group]
        row = file.first_line if row_group is not None else 1
        batches = table.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=columns)
        for batch in batches:
            yield from arrow_records(file, batch, row, text)
            row += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file.path}: cannot be read to its end ({reason}); fetch it again") from error
    finally:
        table.close()


def arrow_records(file: PartFile, batch: Any, row: int, text: str | None) -> Iterator[Record | Bad]:
    """The rows of an Arrow record batch whose first row has the number `row`."""
    for number, values in enumerate(batch.to_pylist(), row):
        if text is not None and isinstance(values.get(text), bytes):
            try:
                values[text] = decode(values[text], "utf-8")
            except NotRecordError as error:
                yield Bad(file, number, error.rule, str(error).replace("of the line", f"of '{text}'"))
                continue
        value = {name: jsonable(item) for name, item in values.items()}
        yield Record(file, number, _content(value), value)


def _content(value: dict[str, Any]) -> bytes:
    try:
        return canonical_json(value).encode()
    except TypeError:  # text that is not Unicode: dropped later, and named
        return repr(value).encode("utf-8", "backslashreplace")


def _is_named(column: str, named: list[str]) -> bool:
    return any(name == column or name.startswith(f"{column}.") for name in named)


def check_columns(path: Path, there: list[str], what: dict[str, str]) -> None:
    """Raises InputError where a table has no such columns: all of its rows have the same, unlike JSON records."""
    for field, name in what.items():
        if not any(_is_named(column, [name]) for column in there):
            raise InputError(
                f"{path}: no column '{name}' that `{field}` names{did_you_mean(name, there)} "
                f"(columns found: {', '.join(there) or 'none'})"
            )
