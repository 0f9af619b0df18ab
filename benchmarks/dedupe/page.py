"""The part of docs/benchmarks.md on near-duplicate removal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from benchmarks.dedupe.accuracy import Accuracy
from benchmarks.dedupe.planted import COPIES, Planted
from benchmarks.dedupe.tools import OTHERS, OURS, READ_AND_WRITE
from benchmarks.dedupe.watch import Watched
from benchmarks.page import machine, rate, table


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a size is made of."""

    documents: int
    megabytes: float
    copies: int
    pairs: dict[tuple[str, float], tuple[int, int]]
    """By cut and threshold: (true pairs, those among them that were planted)."""

    @classmethod
    def of(cls, planted: Planted, truths: Mapping[str, pl.DataFrame], thresholds: Iterable[float]) -> Corpus:
        """Count the true pairs."""
        pairs = {}
        for cut, truth in truths.items():
            for threshold in thresholds:
                true = truth.filter(pl.col("similarity") >= threshold)
                pairs[cut, threshold] = len(true), int(true["planted"].sum())
        return cls(documents=len(planted.ids), megabytes=planted.megabytes, copies=len(planted.copies), pairs=pairs)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One tool at one size, threshold and number of cores."""

    tool: str
    documents: int
    threshold: float
    cores: int
    took: Watched
    accuracy: Accuracy | None


def part(
    *,
    command: str,
    date: str,
    load: float,
    corpora: Sequence[Corpus],
    rows: Sequence[Row],
    left_out: Sequence[str],
    tools: Sequence[str],
) -> str:
    """The part as Markdown."""
    versions = ", ".join(name.replace("==", " ") for peer in OTHERS if peer.name in tools for name in peer.requires[:1])
    circumstances = [
        f"* Command: `{command}`, on {date}",
        f"* Machine: {machine()}; load before the run {load:.1f}",
        f"* Other libraries: {versions or 'none'}, each in an environment of its own",
        *([f"* Left out, as they could not be installed here: {', '.join(left_out)}"] if left_out else []),
    ]
    sections = [
        ["## Near-duplicate removal", "", TEXT, "", *circumstances],
        ["### Corpora and true pairs", "", CORPUS_TEXT, "", *_corpora(corpora)],
        ["### Speed and memory", "", SPEED_TEXT, "", *_speed(rows)],
        ["### Accuracy", "", ACCURACY_TEXT, "", *_accuracy(rows)],
    ]
    if any(row.tool == OURS.name for row in rows):
        sections.append(["### Ratios", "", RATIOS_TEXT, "", *_ratios(rows)])
    return "\n\n".join("\n".join(lines) for lines in sections)


TEXT = (
    "One JSON Lines file in, another out without near-duplicates: `instructkit dedupe IN OUT --threshold T --clusters "
    "FILE`, which verifies each pair and writes a table of the clusters, against programs of a few lines that use "
    "other libraries (`benchmarks/peers/`). All compare shingles of 5 words, the others by 128 permutations in 16 "
    "bands of 8 rows. datasketch, daft and datatrove believe what their index finds, gaoya and rensa check it by the "
    "estimate from signatures, instructkit by the real similarity, with bands chosen for its stated recall; it "
    "computes no groups here. datatrove is a chain of four programs and measured at the smallest size only. "
    "text-dedup 0.4 (it needs Python 3.12) and data-juicer 1.6 (one of its seventy packages, emoji 2.2.0, "
    "has no wheel) are left out."
)
CORPUS_TEXT = (
    "Real text of the machine itself (Python sources, documentation, manual pages) cut at line ends into pieces of "
    f"about 1.8 kB, no piece twice; {100 * COPIES:.0f} % of the documents are copies of others with 1 to 15 % of their "
    "words replaced, deleted or inserted, half of them all over the text, half in one passage. Real text has "
    "near-duplicates of its own: licence texts, generated code, versions of one file. The truth is the exact Jaccard "
    "similarity of all pairs, found by a complete set-similarity join that shares nothing with the engine. A pair's "
    "similarity depends on what a word is, and the tools differ: white space cuts words for datasketch, rensa, daft "
    "and datatrove, ASCII punctuation too in gaoya's own analyzer, and instructkit ignores punctuation. All read the "
    "same file; each is held to the truth of its own words. The table has the true pairs of each, in brackets those "
    "that were planted."
)
SPEED_TEXT = (
    "Whole processes from start to end: interpreter, imports, reading, writing. Compiled code and files are cached "
    "by a small run before. *1 core* and *2 cores* are what the process may use; *CPU s* is user and system time. "
    "*peak MB* is memory summed over all processes of the tool (proportional set size, sampled), in 10^6 bytes, the "
    "larger of the two runs. What takes no notice of the threshold runs once for both. *read and write* is polars "
    "reading the file and writing it again, nothing else."
)
ACCURACY_TEXT = (
    "*recall* is the share of true pairs that were resolved: of whose two documents at most one was kept. A large "
    "group of real duplicates has many pairs, so *planted* tells the same of the true pairs that were planted. "
    "*precision* is the share of dropped documents that are in a true pair at all. *lost* counts what precision cannot "
    "see: groups of true duplicates, and documents without any, of which nothing was kept."
)
RATIOS_TEXT = (
    "Of CPU time on one core: how many times that of instructkit each other takes, and how many times that of reading "
    "and writing instructkit takes. *2 cores* is its wall time on two cores over that on one; *growth* its CPU time a "
    "document over that at the size before."
)


def _corpora(corpora: Sequence[Corpus]) -> list[str]:
    keys = list(corpora[0].pairs)
    head = ("documents", "MB of text", "copies", *(f"{cut}, {threshold:g}" for cut, threshold in keys))
    return table(
        head,
        [
            (
                f"{c.documents:,}",
                f"{c.megabytes:.1f}",
                f"{c.copies:,}",
                *(f"{c.pairs[key][0]:,} ({c.pairs[key][1]:,})" for key in keys),
            )
            for c in corpora
        ],
    )


def _speed(rows: Sequence[Row]) -> list[str]:
    head = ("documents", "threshold", "tool", "CPU s, 1 core", "s, 1 core", "CPU s, 2 cores", "s, 2 cores")
    lines = []
    for (documents, threshold, tool), runs in _by_run(rows).items():
        times = []
        for cores in (1, 2):
            took = runs[cores].took if cores in runs else None
            times += [f"{took.cpu_s:.2f}", f"{took.seconds:.2f}"] if took else ["", ""]
        one = runs[min(runs)].took
        peak = max(run.took.peak_mb for run in runs.values())
        name = _name(tool)
        lines.append((f"{documents:,}", f"{threshold:g}", name, *times, rate(documents, one.cpu_s), f"{peak:,.0f}"))
    return table((*head, "documents / CPU s, 1 core", "peak MB"), lines, words=3)


def _accuracy(rows: Sequence[Row]) -> list[str]:
    head = ("documents", "threshold", "tool", "kept", "recall", "planted", "precision", "lost")
    lines = []
    for (documents, threshold, tool), runs in _by_run(rows).items():
        if told := runs[min(runs)].accuracy:
            shares = (f"{share:.4f}" for share in (told.recall, told.planted, told.precision))
            lines.append((f"{documents:,}", f"{threshold:g}", _name(tool), f"{told.kept:,}", *shares, f"{told.lost:,}"))
    return table(head, lines, words=3)


def _ratios(rows: Sequence[Row]) -> list[str]:
    runs = _by_run(rows)
    names = [name for name in dict.fromkeys(row.tool for row in rows) if name not in (OURS.name, READ_AND_WRITE.name)]
    head = ("documents", "threshold", *names, "times read and write", "2 cores", "growth")
    lines = []
    before: dict[float, float] = {}
    for documents, threshold in dict.fromkeys((d, t) for d, t, _ in runs):
        ours = runs[documents, threshold, OURS.name]
        cpu_s = ours[min(ours)].took.cpu_s

        def times(name: str, key: tuple[int, float] = (documents, threshold)) -> float | None:
            other = runs.get((*key, name))
            return other[min(other)].took.cpu_s if other else None

        floor = times(READ_AND_WRITE.name)
        cells = [f"{other / cpu_s:.1f}" if (other := times(name)) else "" for name in names]
        cells.append(f"{cpu_s / floor:.1f}" if floor else "")
        cells.append(f"{ours[2].took.seconds / ours[1].took.seconds:.2f}" if {1, 2} <= set(ours) else "")
        cells.append(f"{cpu_s / documents / before[threshold]:.2f}" if threshold in before else "")
        before[threshold] = cpu_s / documents
        lines.append((f"{documents:,}", f"{threshold:g}", *cells))
    return table(head, lines)


def _by_run(rows: Iterable[Row]) -> dict[tuple[int, float, str], dict[int, Row]]:
    """By documents, threshold and tool: the rows by cores."""
    found: dict[tuple[int, float, str], dict[int, Row]] = {}
    for row in rows:
        found.setdefault((row.documents, row.threshold, row.tool), {})[row.cores] = row
    return found


def _name(tool: str) -> str:
    return f"**{tool}**" if tool == OURS.name else tool
