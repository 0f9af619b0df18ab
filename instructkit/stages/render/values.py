"""What a template reads of each document."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.templates.rendering import OF_THE_DOCUMENT, Compiled


def rows_of(template: Compiled, shard: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The template's variables for each document, by name."""
    columns = columns_of(template, shard)
    if not columns:
        return iter([{} for _ in range(shard.height)])
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def columns_of(template: Compiled, shard: pl.DataFrame) -> dict[str, list[Any]]:
    """The same as a list for each input: only what the template reads is taken out of the JSON; None where it is not.

    Raises StageError, naming the document, where fields are not a JSON object.
    """
    names = [name for name, _ in template.declared]
    of_fields = [name for name in names if name not in OF_THE_DOCUMENT]
    taken: dict[str, list[Any]] = dict(zip(of_fields, _fields(shard, of_fields), strict=True)) if of_fields else {}
    return {name: taken[name] if name in taken else shard[name].to_list() for name in names}


def _fields(shard: pl.DataFrame, names: list[str]) -> list[list[Any]]:
    slots = [f"f{i}" for i in range(len(names))]  # a field may be called what no attribute may
    wanted = msgspec.defstruct(
        "Fields", [(slot, Any, None) for slot in slots], rename=dict(zip(slots, names, strict=True)), gc=False
    )
    decode = msgspec.json.Decoder(wanted).decode
    texts = shard["fields"].fill_null("{}").to_list()
    try:
        found = list(map(decode, texts))
    except msgspec.DecodeError:
        for i, text in enumerate(texts):
            try:
                decode(text)
            except msgspec.DecodeError as error:
                raise StageError(f"document {shard['id'][i]}: fields are not a JSON object ({error})") from None
        raise
    return [list(map(attrgetter(slot), found)) for slot in slots]
