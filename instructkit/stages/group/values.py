"""Values of records that a recipe names by path: `source`, `origin.file`, `fields.url`, `meta.conversation_id`."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import polars as pl

from instructkit.errors import StageError, did_you_mean
from instructkit.stages.ingest.columns import not_found, paths
from instructkit.text.jsonfields import extract

PLAIN = ("source", "origin.file", "language", "task", "template")
"""Paths that are columns; `task` and `template` are of examples only."""
NESTED = ("fields", "meta")
"""Columns of JSON objects that a path reaches into; documents have `fields`, examples `meta`."""
NOTHING = ("", "[]", "{}")
"""Values that say nothing: CSV, for one, knows no null."""
LOOKED_AT = 1_000
"""Records whose columns an error names."""


def path_faults(key: str, named: Iterable[str]) -> list[str]:
    """A message for each path that can lie nowhere."""
    return [
        f"{key}: '{path}' names no value{_hint(path)} (expected {', '.join(PLAIN)}, or a path into fields (documents) "
        "or meta (examples))"
        for path in named
        if path not in PLAIN and not (path.partition(".")[0] in NESTED and path.partition(".")[2])
    ]


def _hint(path: str) -> str:
    inside = "" if path in NESTED else f"; did you mean 'fields.{path}' or 'meta.{path}'?"
    return did_you_mean(path, PLAIN) or inside


def value(records: pl.DataFrame | pl.LazyFrame, path: str, key: str) -> pl.Expr:
    """The value at a path as text, null where a record has none; what is no text counts as its JSON.

    Raises StageError where these records cannot have it. `key`: of the recipe, for that message.
    """
    column, *inside = path.split(".")
    if column not in records.collect_schema().names():
        noun, other = ("documents", "examples") if column in ("meta", "task", "template") else ("examples", "documents")
        raise StageError(
            f"{key}: {noun} have no '{column}', so '{path}' names nothing; it is for {other}: "
            f"put the step {'after' if noun == 'documents' else 'before'} `render`, or name another"
        )
    if column in NESTED:
        found = extract(column, inside, "text")
    else:
        found = pl.col(column).struct.field(*inside) if inside else pl.col(column)
    return pl.when(~found.str.strip_chars().is_in(NOTHING)).then(found)


def in_one(values: Iterable[pl.Expr]) -> pl.Expr:
    """Several texts as one, which no others give; null where one is null."""
    # Lengths keep them apart. Not by `pl.format`: polars 2.1 panics there where a filter has left an empty first chunk.
    return pl.concat_str(
        part for v in values for part in (v.str.len_bytes().cast(pl.String), pl.lit(" "), v, pl.lit(" "))
    )


def nothing_at(key: str, path: str, records: pl.LazyFrame) -> str:
    """What to say of a path of which no record has a value: it is empty in all of them, or there is no such thing.

    `key`: of the recipe.
    """
    known = known_paths(records)
    if path in known:
        return (
            f"{key}: '{path}' is empty in every record (null, or an empty text, list or object); take it out, or fill "
            "it in a step above"
        )
    return not_found(key, path, known)


def known_paths(records: pl.LazyFrame) -> list[str]:
    """What the first records have, as paths that `value` takes."""
    there = records.collect_schema().names()
    found = [path for path in PLAIN if path.partition(".")[0] in there]
    for column in NESTED:
        if column in there:
            texts = records.select(column).head(LOOKED_AT).collect().to_series().unique()
            each = {path for text in texts.to_list() for path in paths(orjson.loads(text))}
            found += [f"{column}.{path}" for path in sorted(each)]
    return found
