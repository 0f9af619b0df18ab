"""Why an id is there, or is not: its way back to file, line and template, or to the drop that ended it."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from instructkit.build.manifest import Build
from instructkit.errors import UsageFault
from instructkit.report.contamination import beside_evaluation
from instructkit.report.duplicates import Comparison, comparisons
from instructkit.report.ledger import trained_by, way
from instructkit.report.lineage import location, place, steps_with
from instructkit.schema import Document, Drop, Example, LedgerEntry, Origin, records
from instructkit.stages.render.conversations import in_phrasing
from instructkit.templates.library import library_folder


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one record through a build."""

    id: str
    noun: str
    source: str | None
    origin: Origin
    location: list[str]
    """The recipe's own words for where the source lies: its path, packages or name."""
    passed: list[str]
    """Steps that kept it, in order."""
    drops: list[Drop]
    """Where it, or what a template should have made of it, ended."""
    beside: list[Comparison] = []
    """The record beside those that it repeats, dropped as a duplicate, or beside a row of an evaluation that it
    holds."""
    made: list[str] = []
    """A document: ids of the examples that are about it and reached the last step."""
    record: Example | Document | None = None
    """The record as the last step that kept it left it."""
    documents: list[Trace] = []
    """An example: what it is about."""
    exemplars: list[Trace] = []
    """An example: the documents whose renderings it shows before its own question, in order."""
    template_file: str | None = None
    cut: list[Drop] = []
    """An example: trainings that took the middle out of its prompt; value and threshold in tokens."""
    trained: dict[str, LedgerEntry] = {}
    """An example: what trainings that keep a ledger made of it, by name."""


def why(build: Build, record_id: str) -> Trace:
    """The trace of an id. Raises UsageFault when no step has seen it, with ids that begin alike."""
    steps = build.manifest.steps
    passed = steps_with(build, record_id)
    drops = list(records(Drop, _drops(build).filter(_about(record_id)).collect()))
    if not passed and not drops:
        raise UsageFault(f"{build.folder}: no record '{record_id}'{_alike(build, record_id)}")
    if not passed:
        # Dropped as it was read: the drop is all there is.
        step = steps[drops[0].step or ""]
        return Trace(
            id=record_id,
            noun="Drop",
            source=None,
            origin=drops[0].origin,
            location=step.location,
            passed=[],
            drops=drops,
        )
    beside = [each for drop in drops if drop.step in steps for each in comparisons(build, drop.step, record_id)]
    # Of a record that was only reported, too: it passed.
    looked = [name for name in steps if steps[name].stage == "decontaminate"]
    beside += [each for name in looked if (each := beside_evaluation(build, name, record_id)) is not None]
    last = passed[-1]
    noun = build.noun(last)
    row = build.rows(last).filter(pl.col("id") == record_id).collect()
    if noun is Document:
        (document,) = records(Document, row)
        return Trace(
            id=record_id,
            noun="Document",
            source=document.source,
            origin=document.origin,
            location=location(build, passed[0]),
            passed=passed,
            drops=drops,
            beside=beside,
            made=_made(build, record_id),
            record=document,
        )
    (example,) = records(Example, row)
    return Trace(
        id=record_id,
        noun="Example",
        source=example.source,
        origin=example.origin,
        location=location(build, passed[0]),
        passed=passed,
        drops=drops,
        beside=beside,
        record=example,
        documents=[why(build, document) for document in example.document_ids],
        exemplars=[why(build, document) for document in example.exemplar_ids],
        template_file=_template_file(build, passed[0], example.template),
        cut=list(records(Drop, build.training_cuts().filter(pl.col("id") == record_id).collect())),
        trained=trained_by(build, record_id),
    )


def at(build: Build, file: str, line: int) -> tuple[list[str], list[Drop]]:
    """What was read at a line of a source: ids of records, and drops that have no id."""
    here = (pl.col("origin").struct.field("file") == file) & (pl.col("origin").struct.field("line") == line)
    ids: dict[str, None] = {}
    for name in build.row_steps():
        if not build.step(name).upstream:
            ids |= dict.fromkeys(build.rows(name).filter(here).select("id").collect()["id"].to_list())
    drops = list(records(Drop, build.drops().filter(here).collect()))
    ids |= dict.fromkeys(drop.id for drop in drops if drop.id is not None)
    return list(ids), [drop for drop in drops if drop.id is None]


def trace_lines(trace: Trace, indent: str = "") -> list[str]:
    """The trace as text, one fact a line."""
    lines = [f"{trace.noun.lower()} {trace.id}"]
    record = trace.record
    if isinstance(record, Example):
        if record.template:
            at = f" ({trace.template_file})" if trace.template_file else ""
            lines.append(f"  template  {record.template}{at} at {record.template_hash}")
        if record.variant:
            lines.append(f"  variant   {record.variant}")
        if record.repeats != 1:
            lines.append(f"  repeats   {record.repeats:g}")
        lines.append(f"  content   {record.content_hash}")
    if not trace.documents:
        lines.append(f"  from      {place(trace.origin)}  in {' '.join(trace.location) or trace.source}")
    if isinstance(record, Document | Example):
        lines.append(f"  group     {record.group}" + (f"  split {record.split}" if record.split else ""))
    if trace.passed:
        lines.append(f"  kept by   {' → '.join(trace.passed)}")
    for name, entry in trace.trained.items():
        lines.append(f"  trained   by '{name}': {entry.class_ or 'unjudged'}, {way(entry)}")
    for cut in trace.cut:
        lines.append(f"  cut       by step '{cut.step}' to {cut.threshold}: {cut.value} {cut.detail}")
    for drop in trace.drops:
        by = f" for template {drop.template}" if drop.template else ""
        lines.append(f"  dropped   by step '{drop.step}'{by}: {drop.rule}")
        lines += [f"            {name:<9} {value}" for name, value in _facts(drop) if value is not None]
    if trace.made:
        shown = trace.made[:8]
        lines.append(f"  became    {shown[0]}")
        lines += [f"            {made}" for made in shown[1:]]
        if len(trace.made) > len(shown):
            lines.append(f"            … and {len(trace.made) - len(shown)} more")
    for i, exemplar in enumerate(trace.exemplars):
        head = "  exemplars " if i == 0 else " " * 12
        lines.append(f"{head}{exemplar.id}  {place(exemplar.origin)}  group {_group(exemplar)}")
    lines = [indent + line for line in lines]
    for document in trace.documents:
        lines += trace_lines(document, indent + "  ")
    return lines


def _group(trace: Trace) -> str:
    return trace.record.group if isinstance(trace.record, Document | Example) else "unknown"


def _facts(drop: Drop) -> list[tuple[str, str | None]]:
    return [("value", drop.value), ("threshold", drop.threshold), ("detail", drop.detail)]


def _drops(build: Build) -> pl.LazyFrame:
    return pl.concat([build.drops(), build.training_drops()])


def _about(record_id: str) -> pl.Expr:
    """Drops of this record, or of the template that should have made it: an example's id is document and template."""
    record, example = pl.lit(record_id), pl.col("id") + "/" + pl.col("template")
    # Of one of all wordings the id ends in `@WORDING`, and the drop's detail begins with it.
    phrasing = record.str.strip_prefix(example + "@")
    in_that = pl.col("detail").str.starts_with(pl.format(in_phrasing("{}"), phrasing))
    return (pl.col("id") == record_id) | (example == record) | (record.str.starts_with(example + "@") & in_that)


def _made(build: Build, document: str) -> list[str]:
    steps = build.example_steps()
    if not steps:
        return []
    about = pl.col("document_ids").list.contains(document)
    return build.rows(steps[-1]).filter(about).select("id").collect()["id"].sort().to_list()


def _template_file(build: Build, step: str, template: str | None) -> str | None:
    """The template's file: the project's, or the one that comes with instructkit where that is what was rendered."""
    for run in build.step(step).runs:
        if template is not None and run.template == template:
            file = f"{template}.jinja"
            shipped = library_folder() / file
            same = shipped.is_file() and shipped.read_text(encoding="utf-8") == run.fields.get("sources", {}).get(file)
            return f"templates/{file} of instructkit" if same else f"templates/{file}"
    return None


def _alike(build: Build, record_id: str) -> str:
    head = record_id[: max(4, len(record_id) // 2)]
    found: set[str] = set()
    for name in build.row_steps():
        alike = build.rows(name).filter(pl.col("id").str.starts_with(head)).select("id").head(3).collect()
        found.update(alike["id"].to_list())
    return f"; ids that begin alike: {', '.join(sorted(found)[:5])}" if found else "; `instructkit show` lists ids"


def all_comparisons(trace: Trace) -> list[Comparison]:
    """Of the record, then of the documents that it is about."""
    return [*trace.beside, *(each for document in trace.documents for each in all_comparisons(document))]


def as_json(record: Trace | Drop) -> dict[str, Any]:
    """A trace or a drop as plain data."""
    data: dict[str, Any] = msgspec.to_builtins(record)
    return data
