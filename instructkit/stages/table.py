"""The table of stages: name in a recipe → "module:Class". One readable place, no registration at import."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from instructkit.errors import UsageFault, did_you_mean

ENTRY_POINTS = "instructkit.stages"
"""Third parties add stages through this entry-point group: name = "module:Class"."""

STAGES: dict[str, str] = {
    "ingest.jsonl": "instructkit.stages.ingest.jsonl:IngestJsonl",
    "ingest.json": "instructkit.stages.ingest.json:IngestJson",
    "ingest.chat": "instructkit.stages.ingest.chat:IngestChat",
    "ingest.csv": "instructkit.stages.ingest.csv:IngestCsv",
    "ingest.parquet": "instructkit.stages.ingest.parquet:IngestParquet",
    "ingest.text": "instructkit.stages.ingest.text:IngestText",
    "ingest.hub": "instructkit.stages.ingest.hub:IngestHub",
    "ingest.python": "instructkit.stages.ingest.python:IngestPython",
    "clean.text": "instructkit.stages.clean.text:CleanText",
    "filter.language": "instructkit.stages.filter.language:FilterLanguage",
    "filter.length": "instructkit.stages.filter.length:FilterLength",
    "filter.expression": "instructkit.stages.filter.expression:FilterExpression",
    "filter.ledger": "instructkit.stages.filter.ledger:FilterLedger",
    "dedupe.exact": "instructkit.stages.dedupe.exact:DedupeExact",
    "dedupe.minhash": "instructkit.stages.dedupe.minhash:DedupeMinhash",
    "dedupe.against": "instructkit.stages.dedupe.against:DedupeAgainst",
    "dedupe.lines": "instructkit.stages.dedupe.lines:DedupeLines",
    "group.near": "instructkit.stages.group.near:GroupNear",
    "group.by": "instructkit.stages.group.by:GroupBy",
    "decontaminate": "instructkit.stages.decontaminate.decontaminate:Decontaminate",
    "render": "instructkit.stages.render.render:Render",
    "mix": "instructkit.stages.mix.mix:Mix",
    "split": "instructkit.stages.split.split:Split",
    "export.openai": "instructkit.stages.export.openai:ExportOpenai",
    "export.alpaca": "instructkit.stages.export.alpaca:ExportAlpaca",
    "export.sharegpt": "instructkit.stages.export.sharegpt:ExportSharegpt",
    "export.trl": "instructkit.stages.export.trl:ExportTrl",
    "export.huggingface": "instructkit.stages.export.huggingface:ExportHuggingface",
    "export.parquet": "instructkit.stages.export.parquet:ExportParquet",
}


@cache
def stage_table() -> dict[str, str]:
    """All stages by name, those of installed third parties included; ours win over theirs."""
    theirs = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return {**theirs, **STAGES}


def stage_class(name: str) -> type[Any]:
    """The class of a stage. Raises UsageFault for an unknown name, with the closest known one."""
    table = stage_table()
    if name not in table:
        raise UsageFault(f"no stage named '{name}'{did_you_mean(name, table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
