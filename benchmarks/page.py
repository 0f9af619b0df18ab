"""The part of docs/benchmarks.md on stages and builds: numbers with what gave them."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from benchmarks.measure import Measurement
from benchmarks.process import Run
from instructkit import __version__
from instructkit.executors.local import cores

PACKAGES = ("polars", "pyarrow", "numpy", "msgspec", "orjson", "xxhash", "jinja2", "ftfy", "langdetect", "datasketch")
FASTEST_TIMED = 0.02
"""CPU seconds below which a time is too short to tell growth by."""


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """A stage at a size."""

    stage: str
    documents: int
    result: Measurement


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that a run has measured."""

    command: str
    date: str
    corpus: str
    load: float
    """Load of the machine over the minute before."""
    stages: list[StageRow]
    builds: list[tuple[str, int, Run]]
    """(what, documents, what it took)."""
    starts: list[tuple[str, float, float | None]]
    """(command, median seconds, times the first)."""
    left_out: list[str]


def part(results: Results) -> str:
    """The part as Markdown."""
    sections = [
        ["## Stages and builds", "", *_circumstances(results)],
        ["### Stages", "", STAGES_TEXT, "", *_stages(results.stages), *_left_out(results.left_out)],
        ["### Whole builds", "", BUILDS_TEXT, "", *_builds(results.builds)],
        ["### Starting up", "", STARTS_TEXT, "", *_starts(results.starts)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


STAGES_TEXT = (
    "Each line is one run in a process of its own, with one worker and all cores for polars. Timed are the stage's "
    "calls as a build makes them: read the input's shards, run the stage, write its shards; an export also writes its "
    "files. *rows* and *MB* are what goes in: 10^6 bytes of source files for an ingest, of text for others. *peak MB* "
    "is the process's largest resident memory, *base MB* what of it was there before the first call (Python, imports, "
    "the recipe). *growth* is the exponent of CPU time over rows from the smallest size to the largest: 1 is linear. "
    "Slow stages are measured at smaller sizes."
)
BUILDS_TEXT = (
    "`instructkit build` from JSON Lines to OpenAI chat files: ingest.jsonl, clean.text, filter.length, "
    "dedupe.minhash, render (2 templates), split, export.openai. Start of the processes included; *peak MB* is that of "
    "the largest process."
)
STARTS_TEXT = "Medians of runs that alternate, so that what else the machine does meets all of them alike."


def _circumstances(results: Results) -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"* Command: `{results.command}`, on {results.date}",
        f"* Corpus: {results.corpus}. Made from the Python sources and the documentation of the machine itself: "
        "the same on every run of one machine, another on each machine.",
        f"* Machine: {machine()}; load before the run {results.load:.1f}",
        f"* Versions: instructkit {__version__}, Python {platform.python_version()}, {versions}",
    ]


def machine() -> str:
    """Processor, cores, memory and system, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu_model()}, {cores()} cores, {memory:.0f} GiB of memory, {platform.system()}"


def cpu_model() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _stages(rows: Sequence[StageRow]) -> list[str]:
    head = ("stage", "documents", "rows", "seconds", "CPU s", "rows/s", "MB/s", "peak MB", "base MB", "growth")
    lines = []
    for _, group in groupby(rows, key=lambda row: row.stage):
        same = list(group)
        for row in same:
            r = row.result
            lines.append(
                (
                    f"`{row.stage}`" if row is same[0] else "",
                    f"{row.documents:,}",
                    f"{r.rows:,}",
                    f"{r.seconds:.2f}",
                    f"{r.cpu_s:.2f}",
                    f"{rate(r.rows, r.seconds)}",
                    f"{r.megabytes / r.seconds:.1f}",
                    f"{r.peak_mb:.0f}",
                    f"{r.base_mb:.0f}",
                    growth(same[0].result, r) if row is same[-1] and len(same) > 1 else "",
                )
            )
    return table(head, lines)


def growth(small: Measurement, large: Measurement) -> str:
    """Exponent of CPU time over rows; "–" where the times are too short to tell."""
    if min(small.cpu_s, large.cpu_s) < FASTEST_TIMED or small.rows == large.rows:
        return "–"
    return f"{math.log(large.cpu_s / small.cpu_s) / math.log(large.rows / small.rows):.2f}"


def rate(rows: int, seconds: float) -> str:
    """Rows a second, to three digits."""
    value = rows / seconds
    digits = max(0, len(str(int(value))) - 3)
    return f"{round(value, -digits):,.0f}"


def _left_out(names: Sequence[str]) -> list[str]:
    return ["", f"Left out, as their packages are not installed: {', '.join(names)}."] if names else []


def _builds(rows: Iterable[tuple[str, int, Run]]) -> list[str]:
    head = ("build", "documents", "seconds", "CPU s", "documents/s", "peak MB")
    return table(
        head,
        [
            (what, f"{n:,}", f"{r.seconds:.2f}", f"{r.cpu_s:.2f}", rate(n, r.seconds), f"{r.peak_mb:.0f}")
            for what, n, r in rows
        ],
    )


def _starts(rows: Iterable[tuple[str, float, float | None]]) -> list[str]:
    head = ("command", "median, ms", "times `import click`")
    cells = [(f"`{name}`", f"{s * 1000:.0f}", f"{ratio:.2f}" if ratio is not None else "") for name, s, ratio in rows]
    return table(head, cells)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> list[str]:
    """Lines of a Markdown table whose first `words` columns are words and the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
