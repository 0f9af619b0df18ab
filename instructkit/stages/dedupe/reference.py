"""The datasets that `dedupe.against` compares with: their files, and the texts of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from instructkit.errors import InputError
from instructkit.schema import Message
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest import jsonl, parquet
from instructkit.stages.ingest.blocks import lines
from instructkit.stages.ingest.columns import MISSING, not_found, paths, pick
from instructkit.stages.ingest.conversations import NotConversationError, as_said, detect
from instructkit.stages.ingest.documents import Bad
from instructkit.stages.ingest.find import WILDCARDS, find_files
from instructkit.stages.ingest.json_line import NotRecordError, parse_object
from instructkit.stages.ingest.parquet_rows import check_columns, open_parquet, parquet_records
from instructkit.stages.ingest.parts import LINE_SPACE, whole_file
from instructkit.store.builds import is_build, step_shards
from instructkit.store.shards import read_shard
from instructkit.text.view import BETWEEN, View, shows, view

SUFFIXES = (*jsonl.SUFFIXES, *parquet.SUFFIXES)
LONGEST_LINE_BYTES = 1 << 30
TEXT, ID = "text", "id"
"""Columns that are looked for unless the recipe names another."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ReferenceFile:
    """A file of a dataset."""

    name: str
    """As a drop names it: the path as the recipe gives it, a step of a build, or folder and name of an absolute one."""
    path: Path
    digest: str
    """Content hash."""
    kind: Literal["lines", "parquet", "shard"]


class Row(NamedTuple):
    """A row of a dataset."""

    number: int
    """Among the rows of the file, from 0; blank lines are none."""
    line: int | None
    """Of the file, or row of a table, from 1; None for a row of a build, which has an id."""
    id: str | None
    text: str | None
    """None where there is nothing to compare: no text, or white space only."""


def reference_files(path: str | list[str], root: Path, step: str | None) -> list[ReferenceFile]:
    """The files of all datasets that `path` names, relative to `root`, dataset by dataset in the order given.

    Raises InputError where a path gives no file, and for a `step` without a build that has it.
    """
    found = []
    for given in [path] if isinstance(path, str) else path:
        place = root / Path(given).expanduser()
        if is_build(place):
            name, shards = step_shards(place, step)
            shown = f"{_shown(given)}/{name}"
            found += [ReferenceFile(name=shown, path=at, digest=ref.digest, kind="shard") for at, ref in shards]
            continue
        if step is not None:
            raise InputError(f"{given}: `step: {step}` needs the folder of a build (with its manifest.json) here")
        for each in find_files(given, root, SUFFIXES):
            kind: Literal["lines", "parquet"] = "parquet" if _is_parquet(each.path) else "lines"
            shown = _shown(given) if place.is_file() else f"{_shown(given)}/{each.name}"
            found.append(ReferenceFile(name=shown, path=each.path, digest=whole_file(each).digest, kind=kind))
    return found


def _shown(given: str) -> str:
    """The part of a path without wildcards as it is shown; of one that holds on this machine only, the last names."""
    parts = Path(given).parts
    parts = parts[: next((i for i, part in enumerate(parts) if WILDCARDS.search(part)), len(parts))]
    if Path(given).is_absolute() or given.startswith("~"):
        parts = parts[-2:] if Path(given).expanduser().is_file() else parts[-1:]
    return "/".join(parts) or "."


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_rows(file: ReferenceFile, text: str | None, of: View, wanted: Numbers | None = None) -> Iterator[Row]:
    """The rows of a file in order; or those with the numbers `wanted` (sorted), the others hardly looked at.

    `text`: column of the text, or of a list of turns; None: the column `text`, or a conversation in one of the formats
    of `ingest.chat`. `of` says which text of a conversation is meant. In rows of a build it is the text of a document.

    Raises InputError for a row that cannot be read, a text that is none, and a column that no row has.
    """
    if file.kind == "shard":
        yield from _shard_rows(file, of, wanted)
        return
    known: set[str] = set()
    any_row, any_text = False, False
    for number, line, record in (_lines if file.kind == "lines" else _table)(file, text, wanted):
        found, value = _text_of(record, text, of, f"{file.path}:{line}")
        any_row, any_text = True, any_text or found
        if not any_text and len(known) < 1000:
            known.update(paths(record))
        named = record.get(ID)
        said = str(named) if isinstance(named, str | int) and not isinstance(named, bool) else None
        yield Row(number, line, said, value)
    if any_row and not any_text and wanted is None:
        hint = not_found("text", text or TEXT, known)
        more = "" if text else ", and none is a conversation that ingest.chat reads; name the column by `text`"
        raise InputError(f"{file.path}: {hint}{more}")


def _lines(file: ReferenceFile, _: str | None, wanted: Numbers | None) -> Iterator[tuple[int, int, dict[str, Any]]]:
    number, at = -1, 0
    part = PartFile(name=file.name, path=file.path, digest=file.digest)
    for line in lines(part, "utf-8", LONGEST_LINE_BYTES):
        if line.size > LONGEST_LINE_BYTES:
            raise InputError(f"{file.path}:{line.number}: {line.size:,} bytes in one line; expected one object a line")
        data = line.data.strip(LINE_SPACE)
        if not data:
            continue
        number += 1
        if wanted is not None:
            if at == len(wanted):
                return
            if number < wanted[at]:
                continue
            at += 1
        try:
            yield number, line.number, parse_object(data)
        except NotRecordError as error:
            raise InputError(f"{file.path}:{line.number}: {error}; mend the line or take it out") from error


def _table(file: ReferenceFile, text: str | None, wanted: Numbers | None) -> Iterator[tuple[int, int, dict[str, Any]]]:
    table = open_parquet(file.path)
    there = table.schema_arrow.names
    sizes = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
    table.close()
    if text is not None:
        check_columns(file.path, there, {"text": text})
    column = text or (TEXT if TEXT in there else None)
    named = None if column is None else [column, ID]
    first = 0
    for group, size in enumerate(sizes):
        some = None if wanted is None else set(wanted[(wanted >= first) & (wanted < first + size)].tolist())
        if some is None or some:
            part = PartFile(name=file.name, path=file.path, digest=file.digest, first_line=first + 1)
            for record in parquet_records(part, group, named, column):
                assert record.line is not None, "rows of a table are numbered"
                if isinstance(record, Bad):
                    raise InputError(f"{file.path}, row {record.line}: {record.detail}; mend the row or take it out")
                if some is None or record.line - 1 in some:
                    yield record.line - 1, record.line, record.value
        first += size


def _shard_rows(file: ReferenceFile, of: View, wanted: Numbers | None) -> Iterator[Row]:
    shard = read_shard(file.path).with_row_index("number")
    if wanted is not None:
        shard = shard[wanted]
    text = view(shard, of if "messages" in shard.columns else "all")
    for number, named, value in shard.select("number", "id", text.alias("text")).iter_rows():
        yield Row(number, None, named, value if value.strip() else None)


def _text_of(record: dict[str, Any], text: str | None, of: View, where: str) -> tuple[bool, str | None]:
    """Whether the record has the column, and its text."""
    value = pick(record, text or TEXT)
    if value is MISSING or (value is None and text is None):
        if text is not None or detect(record) is None:
            return value is None, None
        value = record
    elif isinstance(value, list):
        value = {"messages": value}
    if isinstance(value, dict) and (value is record or "messages" in value):
        try:
            value = conversation_text(as_said(value).messages, of)
        except NotConversationError as error:
            raise InputError(
                f"{where}: {error}; name a column of plain texts by `text`, or take the row out"
            ) from error
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: '{text or TEXT}' holds {type(value).__name__}, not text; name another column")
    return True, value if value is not None and value.strip() else None


def conversation_text(messages: list[Message], of: View) -> str:
    """The text of a conversation that `of` names, as `text.view` gives it for examples."""
    return BETWEEN.join(m.content for m in messages if of == "all" or shows(m.role, of))
