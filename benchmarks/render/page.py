"""The part of docs/benchmarks.md on rendering."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from benchmarks.page import machine, rate, table
from benchmarks.render.project import BODIES, PASSAGE_CHARACTERS
from benchmarks.render.ways import WAYS, Took

OURS, TWO, WHOLE, _, MAP = WAYS
TARGETS = {WHOLE: 1.3, MAP: 6.0}
"""Rows per CPU-second of ours with one worker, over those of another way: what `plain` is meant to reach at least."""
PACKAGES = ("polars", "jinja2", "datasets", "orjson", "xxhash")
TEXT = (
    "The same rows through the same template in different ways; each line is the best of several runs that take turns, "
    "each in a process of its own, after a run that is not timed. *instructkit* is the render step as a build runs it: "
    "shards of documents are read, each row rendered in the sandbox and hashed, and shards of examples written "
    "(Parquet, zstd). *jinja2* is a bare loop of `Template.render` in a plain `Environment` over rows that are in "
    "memory already, and what it makes is written nowhere: once a row, which gives both messages as one text, or once "
    "a message. *datasets.map* renders once a row, from an Arrow file to an Arrow file. *CPU s* is user and system "
    "time over all threads and processes. *ours* is how many times the rows per CPU-second of that way instructkit "
    "renders with one worker."
)
WHERE = {
    "read": "read the shard",
    "inputs": "take the template's inputs out of the JSON fields",
    "texts": "make the messages",
    "hashes": "hash each conversation",
    "frame": "make the frame of examples",
    "write": "write the shard",
}


def part(command: str, date: str, load: float, took: Mapping[tuple[str, str], Took], where: Mapping[str, float]) -> str:
    """The part as Markdown; `took` by template and way."""
    rows = next(iter(took.values())).rows
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "## Rendering",
        "",
        f"* Command: `{command}`, on {date}",
        f"* Rows: {rows:,} passages of {PASSAGE_CHARACTERS} characters with four more fields, cut from the same corpus",
        f"* Machine: {machine()}; load before the run {load:.1f}",
        f"* Versions: {versions}",
        "",
        TEXT,
        "",
        *_table(took),
        "",
        *_targets(took),
        "",
        "`plain` prints inputs and nothing else, so one generated function renders all rows; `logic` has a condition, "
        "a loop and filters and goes through Jinja, whose every step the sandbox counts:",
        *(line for name in BODIES for line in ("", *(f"    {said}" for said in BODIES[name].rstrip().split("\n")))),
        "",
        *_where(where),
    ]
    return "\n".join(lines)


def _table(took: Mapping[tuple[str, str], Took]) -> list[str]:
    head = ("template", "way", "seconds", "CPU s", "rows/s", "rows per CPU-second", "ours")
    lines = []
    for (template, way), each in took.items():
        ours = took[template, OURS]
        lines.append(
            (
                template if way == OURS else "",
                way,
                f"{each.seconds:.2f}",
                f"{each.cpu_s:.2f}",
                rate(each.rows, each.seconds),
                rate(each.rows, each.cpu_s),
                "" if way in (OURS, TWO) else f"{ratio(ours, each):.2f}×",
            )
        )
    return table(head, lines, words=2)


def ratio(ours: Took, other: Took) -> float:
    """Rows per CPU-second of ours, over those of another way."""
    return (ours.rows / ours.cpu_s) / (other.rows / other.cpu_s)


def _targets(took: Mapping[tuple[str, str], Took]) -> list[str]:
    lines = []
    for way, least in TARGETS.items():
        found = ratio(took["plain", OURS], took["plain", way])
        verdict = "reached" if found >= least else "missed"
        lines.append(f"* Target: at least {least:g}× {way}, for `plain`. {verdict.capitalize()}: {found:.2f}×.")
    one, two = took["plain", OURS], took["plain", TWO]
    wall, cpu = two.seconds / one.seconds, two.cpu_s / one.cpu_s
    lines.append(f"* Two workers take {wall:.0%} of the time of one, and {cpu:.0%} of its CPU time.")
    return lines


def _where(where: Mapping[str, float]) -> list[str]:
    parts = {**where, "frame": max(0.0, where["apply"] - where["inputs"] - where["texts"] - where["hashes"])}
    total = sum(parts[name] for name in WHERE)
    bound = sum(parts[name] for name in ("read", "write")) / total
    lines = [(said, f"{parts[name]:.3f}", f"{parts[name] / total:.0%}") for name, said in WHERE.items()]
    return [
        f"Where the time of `plain` goes. Reading and writing compressed Parquet is {bound:.0%} of it, and bounds what "
        "quicker rendering could still give.",
        "",
        *table(("part", "CPU s", "share"), lines),
    ]
