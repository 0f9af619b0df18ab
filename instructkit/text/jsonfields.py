"""Values inside the JSON text columns `fields` and `meta`: typed out, and one value in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import orjson
import polars as pl

from instructkit.hashing import canonical_json

FieldType = Literal["text", "number", "boolean"]

DTYPES: dict[FieldType, pl.DataType] = {"text": pl.String(), "number": pl.Float64(), "boolean": pl.Boolean()}


def extract(column: str, path: Sequence[str], kind: FieldType) -> pl.Expr:
    """The value at `path` in a column of JSON objects; null where there is none, or none of that type.

    text: strings as they are, everything else as JSON text. number: 64-bit float; a string that holds a number counts,
    since CSV knows no other. boolean: true and false.
    """
    text = pl.col(column).str.json_path_match("$" + "".join(f"[{canonical_json(key)}]" for key in path))
    if kind == "number":
        return text.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)
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
