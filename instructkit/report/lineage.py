"""Where a record of a build comes from."""

from __future__ import annotations

import polars as pl

from instructkit.build.manifest import Build
from instructkit.schema import Origin


def place(origin: Origin) -> str:
    """`file:line`, or the file alone."""
    return origin.file if origin.line is None else f"{origin.file}:{origin.line}"


def steps_with(build: Build, record_id: str, *steps: str) -> list[str]:
    """The steps, of those named or of all, whose rows have the record, in order."""
    has = pl.col("id") == record_id
    return [
        name
        for name in steps or build.row_steps()
        if not build.rows(name).filter(has).select("id").head(1).collect().is_empty()
    ]


def location(build: Build, step: str) -> list[str]:
    """Where the source lies, in the recipe's words, that a step's rows come from; [] when they come from several."""
    entry = build.step(step)
    while entry.upstream:
        if len(entry.upstream) > 1:
            return []
        entry = build.step(entry.upstream[0])
    return entry.location
