"""What a template reads of each document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.templates.rendering import OF_THE_DOCUMENT, Compiled
from instructkit.templates.turns import Refusal

OWN_FIELDS = "fields."
"""Before the name of a field: `fields.id` is the field, `id` the document's own."""
UNREADABLE = re.compile(r'["\\\x00-\x1f]')
"""In a name that msgspec cannot look for."""


def rows_of(template: Compiled, shard: pl.DataFrame, read_from: Mapping[str, str] = {}) -> Iterator[dict[str, Any]]:
    """The template's variables for each document, by name. `read_from` as in `columns_of`."""
    columns = columns_of(template, shard, read_from)
    if not columns:
        return iter([{} for _ in range(shard.height)])
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def columns_of(template: Compiled, shard: pl.DataFrame, read_from: Mapping[str, str] = {}) -> dict[str, list[Any]]:
    """The same as a list for each input: only what the template reads is taken out of the JSON; None where it is not.

    `read_from`: input → the column that holds it, where it is not of its own name: the document's `text`, `source`,
    `language` or `id`, or a field, or a dotted path into one. Raises StageError, naming the document, where fields are
    not a JSON object.
    """
    places = {name: read_from.get(name, name) for name, _ in template.declared}
    paths = {p: p.removeprefix(OWN_FIELDS) for p in places.values() if p not in OF_THE_DOCUMENT}
    wanted = list(dict.fromkeys(name for path in paths.values() for name in (path, path.partition(".")[0])))
    taken = dict(zip(wanted, _fields(shard, wanted), strict=True)) if wanted else {}
    found = {place: _at(path, taken) for place, path in paths.items()}
    return {name: found[place] if place in found else shard[place].to_list() for name, place in places.items()}


def with_column(refusal: Refusal, read_from: Mapping[str, str]) -> Refusal:
    """The refusal of a row for one of its inputs, with the column that the input is read from."""
    column = read_from.get(refusal.value or "") if refusal.rule in ("missing_input", "wrong_type") else None
    if column is None:
        return refusal
    return refusal._replace(detail=f"{refusal.detail}; it is read from the column '{column}'")


def _at(path: str, taken: Mapping[str, list[Any]]) -> list[Any]:
    """The values of a field, or of a dotted path; a field of that very name stands first."""
    root, *steps = path.split(".")
    if not steps:
        return taken[path]
    return [
        _within(value, steps) if whole is None else whole for whole, value in zip(taken[path], taken[root], strict=True)
    ]


def _within(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _fields(shard: pl.DataFrame, names: list[str]) -> list[list[Any]]:
    if any(map(UNREADABLE.search, names)):
        objects = _fields_as(dict[str, Any], shard)
        return [[found.get(name) for found in objects] for name in names]
    slots = [f"f{i}" for i in range(len(names))]  # a field may be called what no attribute may
    wanted = msgspec.defstruct(
        "Fields", [(slot, Any, None) for slot in slots], rename=dict(zip(slots, names, strict=True)), gc=False
    )
    found = _fields_as(wanted, shard)
    return [list(map(attrgetter(slot), found)) for slot in slots]


def _fields_as(kind: Any, shard: pl.DataFrame) -> list[Any]:
    decode = msgspec.json.Decoder(kind).decode
    texts = shard["fields"].fill_null("{}").to_list()
    try:
        return list(map(decode, texts))
    except msgspec.DecodeError:
        for i, text in enumerate(texts):
            try:
                decode(text)
            except msgspec.DecodeError as error:
                raise StageError(f"document {shard['id'][i]}: fields are not a JSON object ({error})") from None
        raise
