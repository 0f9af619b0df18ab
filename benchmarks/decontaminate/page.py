"""The part of docs/benchmarks.md on decontamination."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.decontaminate.planted import KINDS
from benchmarks.decontaminate.ways import LOOK_UP, PEER, READ_AND_WRITE, STAGE, Took
from benchmarks.page import machine, rate, table

Shares = Mapping[str, tuple[int, int]]

TARGET_US = 60
"""CPU microseconds that a document of `TARGET_BYTES` may take against 20,000 rows."""
TARGET_BYTES = 1_800
TEXT = (
    "Speed: documents of the corpus above against an evaluation made of other texts of the same kind, so that common "
    "phrases are found in about every document, and rows in a few. Each way in a process of its own, the best of "
    "several runs. *decontaminate* is the stage in memory: looking up n-grams shard by shard, deciding about all, "
    "dropping; *look up n-grams* is the first part of it alone. *13-gram set* is the usual way in plain Python. *Read "
    "and write* is a shard of the documents, from Parquet to Parquet (zstd), for comparison. *Before* is reading and "
    "indexing the evaluation, once a process. *µs a document* is for 1.8 kB of text."
)
PLANTED = (
    "Accuracy: rows of an evaluation planted once each in real rows, six ways in turn, among clean rows; a planted row "
    "counts as found where that very row is named, a clean record as found where any row is. Evaluation and clean rows "
    "share templates, an identity and a licence: what is wrong with counting n-grams alone."
)


def part(
    command: str, date: str, load: float, took: Mapping[str, Took], planted: Mapping[str, Mapping[str, Shares]]
) -> str:
    """The part as Markdown; `took` by way, `planted` by the texts used and then by tool."""
    one = took[STAGE]
    lines = [
        "## Decontamination",
        "",
        f"* Command: `{command}`, on {date}",
        f"* {one.documents:,} documents of {one.bytes / one.documents:,.0f} bytes, {one.rows:,} rows of an evaluation",
        f"* Machine: {machine()}; load before the run {load:.1f}",
        "",
        TEXT,
        "",
        *_speed(took),
        "",
        PLANTED,
    ]
    for texts, tools in planted.items():
        lines += ["", f"Rows made of {texts}, found:", "", *_accuracy(tools)]
    return "\n".join(lines)


def microseconds(took: Took) -> float:
    """CPU microseconds for a document of `TARGET_BYTES`."""
    return took.cpu_s / took.bytes * TARGET_BYTES * 1e6


def _speed(took: Mapping[str, Took]) -> list[str]:
    copy = took[READ_AND_WRITE]
    head = (
        "way",
        "before, CPU s",
        "CPU s",
        "documents per CPU-second",
        "µs a document",
        "× read and write",
        "found in",
    )
    lines = [
        (
            way,
            f"{each.before_s:.1f}" if way != READ_AND_WRITE else "",
            f"{each.cpu_s:.2f}",
            rate(each.documents, each.cpu_s),
            f"{microseconds(each):,.0f}",
            f"{each.cpu_s / copy.cpu_s:.1f}",
            f"{each.found:,}" if way in (STAGE, PEER) else "",
        )
        for way, each in took.items()
    ]
    us = microseconds(took[STAGE])
    said = "met" if us <= TARGET_US else "missed"
    target = f"Target: at most {TARGET_US} µs for all of it: {us:.0f} µs, {said}."
    peer = f"The 13-gram set takes {microseconds(took[PEER]) / us:.0f} times as long."
    look = f"Looking up n-grams is {microseconds(took[LOOK_UP]) / us:.0%} of it."
    return [*table(head, lines, words=1), "", f"{target} {look} {peer}"]


def _accuracy(tools: Mapping[str, Shares]) -> list[str]:
    head = ("rows", *tools)
    names = (*KINDS, "clean")
    lines = [(name, *(_share(*shares[name]) for shares in tools.values())) for name in names]
    return table(head, lines, words=1)


def _share(found: int, there: int) -> str:
    return f"{found:,} of {there:,} ({found / there:.1%})" if there else "none"
