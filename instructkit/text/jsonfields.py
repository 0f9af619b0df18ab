"""Values inside the JSON text columns `fields` and `meta`: typed out, and one value in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal

import orjson
import polars as pl

from instructkit.hashing import canonical_json

FieldType = Literal["text", "number", "boolean"]

DTYPES: dict[FieldType, pl.DataType] = {"text": pl.String(), "number": pl.Float64(), "boolean": pl.Boolean()}

UNSAFE = re.compile(r"""["'\\\x00-\x1f]""")
"""Characters of a key for which JSON path, as polars reads it, has no notation; such keys are read row by row."""


def extract(column: str, path: Sequence[str], kind: FieldType) -> pl.Expr:
    """The value at `path` in a column of JSON objects; null where there is none, or none of that type.

    text: strings as they are, everything else as JSON text. number: 64-bit float; a string that holds a number counts,
    since CSV knows no other, and true and false are 1 and 0. boolean: true and false.
    """
    if any(UNSAFE.search(key) for key in path):
        text = pl.col(column).map_batches(partial(_by_row, path=tuple(path)), return_dtype=pl.String)
    else:
        text = pl.col(column).str.json_path_match("$" + "".join(f'["{key}"]' for key in path))
    if kind == "number":
        number = text.str.strip_chars().replace({"true": "1", "false": "0"})
        return number.cast(pl.Float64, strict=False).fill_nan(None)
    if kind == "boolean":
        return text.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    return text


def with_value(objects: pl.Series, key: str, values: Sequence[object]) -> pl.Series:
    """The JSON objects with `key` set to each value; an object stays as it is where the value is None."""
    rows = [
        text if value is None else canonical_json({**orjson.loads(text), key: value})
        for text, value in zip(objects.to_list(), values, strict=True)
    ]
    return pl.Series(objects.name, rows, dtype=pl.String)


def _by_row(objects: pl.Series, path: tuple[str, ...]) -> pl.Series:
    def value_of(text: str) -> str | None:
        value = orjson.loads(text)
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if value is None or isinstance(value, str) else canonical_json(value)

    rows = [None if text is None else value_of(text) for text in objects]
    return pl.Series(objects.name, rows, dtype=pl.String)
