"""The rows of a data file as `templates lint` renders them: read as by a preview, by input for each template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from instructkit.errors import UsageFault
from instructkit.report.data_file import DataFile, open_data
from instructkit.report.preview.rows import HEAD, text_column
from instructkit.schema import Document, Drop, empty, records
from instructkit.stages.render.render import columns_for, unread_columns
from instructkit.stages.render.values import columns_of
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template


@dataclass(frozen=True, kw_only=True)
class LintRows:
    """Rows for templates."""

    given: dict[str, list[dict[str, Any]]]
    """Template → the rows that have all its inputs, by input; templates without such rows are not in it."""
    said: str
    """How many were read, and for how many templates they had all inputs."""


def lint_rows(
    path: str, templates: Sequence[Template], rows: int, text: str | None = None, columns: Mapping[str, str] = {}
) -> LintRows:
    """The first `rows` rows of a file, for each template. `text` and `columns` as in a preview.

    The text's column is chosen for each template, since one preview is about few and a lint about many. Raises
    UsageFault, saying why, where no row has all inputs of any template, and InputError as the ingest does.
    """
    if messages := unread_columns(dict(columns), list(templates)):
        raise UsageFault("\n".join(message.replace("columns: ", "--column: ", 1) for message in messages))
    data = open_data(path)
    head = data.head(HEAD)
    names = tuple(dict.fromkeys(name for record in head for name in record))
    read: dict[tuple[str, bool], tuple[pl.DataFrame, pl.DataFrame]] = {}
    given: dict[str, list[dict[str, Any]]] = {}
    lacking: list[tuple[int, str]] = []
    most, unread = 0, empty(Drop)
    for template in templates:
        try:
            chosen, fields = text_column(data, head, [template], text, columns)
        except UsageFault as fault:
            lacking.append((len(template.front.declared()), str(fault)))
            continue
        if (chosen, fields is None) not in read:
            # All columns serve every template that takes this one for the text.
            read[chosen, fields is None] = _read(data, chosen, None if fields is None else [*names], rows)
        documents, dropped = read[chosen, fields is None]
        if documents.height + dropped.height > most:
            most = documents.height + dropped.height
        unread = max(unread, dropped, key=lambda frame: frame.height)
        compiled = Compiled(template)
        values = columns_of(compiled, documents, columns_for(template, dict(columns)))
        needed = [name for name, each in template.front.declared().items() if not each.optional]
        whole = [n for n in range(documents.height) if all(_is_there(values[name][n]) for name in needed)]
        if whole:
            given[template.name] = [{name: column[n] for name, column in values.items()} for n in whole]
        else:
            gone = [name for name in needed if not any(map(_is_there, values[name]))]
            lacking.append((len(gone), _lacks(template, gone or needed)))
    said = f"{most} row{'s' if most != 1 else ''} read of {path}"
    if not unread.is_empty():
        first = next(iter(records(Drop, unread)))
        line = f":{first.origin.line}" if first.origin.line is not None else ""
        reason = f"{first.rule}: {first.detail}" if first.detail else first.rule
        said += f", {unread.height} of them no document (the first, {first.origin.file}{line}: {reason})"
    if templates and not given:
        some = any(not documents.is_empty() for documents, _ in read.values())
        why = min(lacking)[1] if some or (head and not read) else "none is a document" if most else "it holds no rows"
        hint = f" (columns: {', '.join(names)}); --column INPUT=COLUMN and --text COLUMN say what is read from where"
        raise UsageFault(f"{said}; none can be used: {why}{hint if some or not read else ''}")
    count = f"{len(given)} of {len(templates)} templates" if len(templates) != 1 else "the template"
    return LintRows(given=given, said=f"{said}; with all inputs of {count}")


def _read(data: DataFile, text: str, fields: list[str] | None, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The documents and drops of the first rows."""
    kept, dropped = [empty(Document)], [empty(Drop)]
    for outcome in data.documents(text, fields):
        kept.append(outcome.kept)
        dropped.append(outcome.dropped)
        if sum(frame.height for frame in kept) >= rows:
            break
    documents = pl.concat(kept)
    drops = pl.concat(dropped)
    if documents.height > rows:
        last = next(records(Document, documents[rows - 1 : rows])).origin
        documents = documents.head(rows)
        if last.line is not None:
            drops = drops.filter(pl.col("origin").struct.field("line") < last.line)
    return documents, drops


def _is_there(value: Any) -> bool:
    return value is not None


def _lacks(template: Template, names: Sequence[str]) -> str:
    return f"no row has {', '.join(repr(name) for name in names)}, which {template.name} reads"
