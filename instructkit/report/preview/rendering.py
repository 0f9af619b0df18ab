"""Templates rendered on some rows by the stage that a build runs: what is seen is what a build would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import polars as pl

from instructkit.report.preview.rows import Rows, spread
from instructkit.schema import Document, Drop, Example, Origin, records
from instructkit.stages.contract import Outcome
from instructkit.stages.render.render import columns_for
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.template import Template
from instructkit.text.conversation import trained_weight


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Rows that go no further, for one reason."""

    rule: str
    value: str | None
    """The field, role or place that the rule is about."""
    rows: int
    first: Drop


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One template on the rows, in the wordings drawn or in one of them."""

    template: Template
    phrasing: str | None
    """The wording that was asked for; None: drawn for each row."""
    shown: list[Example | Drop]
    """Some of the rows, in their order."""
    rows: int
    """How many were rendered; `shown` is spread over them."""
    kept: int
    refused: list[Refused]
    """Most frequent first."""


def render(template: Template, rows: Rows, limit: int, every_phrasing: bool = False) -> list[Rendered]:
    """A template on all rows, `limit` of them to be shown; with `every_phrasing` a result for each wording."""
    names: list[str | None] = [*template.front.wordings()] if every_phrasing else []
    return [_rendered(template, name, rows, limit) for name in names or [None]]


def _rendered(template: Template, phrasing: str | None, rows: Rows, limit: int) -> Rendered:
    stage = RenderTemplate(
        template=template.name,
        template_hash=template.hash,
        sources=template.sources,
        phrasing=phrasing,
        seed=rows.seed,
        columns=columns_for(template, rows.read_from),
    )
    documents = rows.documents_for(template)
    return _counted(template, phrasing, stage.apply(documents), documents, limit)


def _counted(
    template: Template, phrasing: str | None, outcome: Outcome, documents: pl.DataFrame, limit: int
) -> Rendered:
    kept, dropped = outcome
    some = list(records(Document, documents[spread(documents.height, limit)]))
    chosen = [document.id for document in some]
    about = kept["document_ids"].list.first()
    # Tests may give two rows the same id.
    found: dict[tuple[str, Origin], Example | Drop] = {}
    for example in records(Example, kept.filter(about.is_in(chosen))):
        found[example.document_ids[0], example.origin] = example
    for drop in records(Drop, dropped.filter(pl.col("id").is_in(chosen))):
        found[str(drop.id), drop.origin] = drop
    return Rendered(
        template=template,
        phrasing=phrasing,
        shown=[found[document.id, document.origin] for document in some],
        rows=documents.height,
        kept=kept.height,
        refused=refused(dropped),
    )


def refused(dropped: pl.DataFrame) -> list[Refused]:
    """Drops by rule and value, the most frequent first."""
    groups: dict[tuple[str, str | None], list[int]] = {}
    for number, key in enumerate(dropped.select("rule", "value").iter_rows()):
        groups.setdefault(key, []).append(number)
    firsts = records(Drop, dropped[[numbers[0] for numbers in groups.values()]])
    counted = [
        Refused(rule=rule, value=value, rows=len(numbers), first=first)
        for ((rule, value), numbers), first in zip(groups.items(), firsts, strict=True)
    ]
    return sorted(counted, key=lambda reason: -reason.rows)


def as_json(results: Sequence[Rendered], rows: Rows) -> dict[str, Any]:
    """What was rendered, for scripts: where the rows come from, and for each template its examples and drops."""
    return {
        "rows": rows.said,
        "read_by": rows.read_by,
        "columns": rows.read_from,
        "seed": rows.seed,
        "unread": [_reason(reason) for reason in refused(rows.unread)],
        "templates": [
            {
                "template": result.template.name,
                "hash": result.template.hash,
                "phrasing": result.phrasing,
                "rendered": result.rows,
                "kept": result.kept,
                "dropped": [_reason(reason) for reason in result.refused],
                "rows": [_row(row) for row in result.shown],
            }
            for result in results
        ],
    }


def _reason(reason: Refused) -> dict[str, Any]:
    first = {"document": reason.first.id, **msgspec.to_builtins(reason.first.origin)}
    said = {"rule": reason.rule, "value": reason.value, "rows": reason.rows}
    return {**said, "first": first, "detail": reason.first.detail}


def _row(row: Example | Drop) -> dict[str, Any]:
    origin = msgspec.to_builtins(row.origin)
    if isinstance(row, Drop):
        said = {"rule": row.rule, "value": row.value, "threshold": row.threshold, "detail": row.detail}
        return {"document": row.id, "origin": origin, "drop": said}
    messages = []
    for message in row.messages:
        turn = {name: value for name, value in msgspec.to_builtins(message).items() if value is not None}
        if message.tool_calls:
            turn["tool_calls"] = orjson.loads(message.tool_calls)
        messages.append({**turn, "weight": trained_weight(message)})
    tools = orjson.loads(row.tools) if row.tools else None
    named = {"document": row.document_ids[0], "id": row.id, "origin": origin}
    return {**named, "variant": row.variant, "messages": messages, "tools": tools}
