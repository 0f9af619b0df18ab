"""`python -m benchmarks.audit`: `instructkit audit` and `instructkit verify` on chats of this machine's texts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.corpus import make_corpus
from benchmarks.page import machine, table
from benchmarks.parts import put
from benchmarks.process import ROOT, Run, run
from benchmarks.train.project import chats
from instructkit.hashing import uniform
from instructkit.schema import Example

PAGE = ROOT / "docs" / "benchmarks.md"
SIZES = (12_500, 50_000)
CHATS_PER_PIECE = 2.0
"""About, of Alpaca's lengths."""
EVALUATION = 2_000
TEXT = (
    "Whole commands, start-up included, on chats of Alpaca's lengths cut from the benchmarks' corpus, as JSON Lines in "
    "three splits by lot. Nothing is left out: each row is parsed, compared with all others, its languages told, its "
    "wording looked at; *against*: and compared with {evaluation:,} rows of an evaluation as well. *peak MB* is the "
    "process's largest resident memory."
)


@click.command()
@click.option("--out", default=PAGE, type=click.Path(path_type=Path), help="Default: docs/benchmarks.md.")
def main(out: Path) -> None:
    """Measure both commands at sizes a factor of four apart."""
    load, lines = os.getloadavg()[0], []
    most = max(SIZES) + EVALUATION
    made = list(chats(make_corpus(round(most / CHATS_PER_PIECE)).pieces, most))
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        _write(folder / "evaluation.jsonl", made[-EVALUATION:])
        for size in SIZES:
            data = folder / str(size)
            data.mkdir()
            rows = made[:-EVALUATION][:size]
            for split, low, high in (("train", 0.0, 0.9), ("validation", 0.9, 0.95), ("test", 0.95, 1.0)):
                _write(data / f"{split}.jsonl", [row for row in rows if low <= uniform(0, "split", row.id) < high])
            for what, words in (
                ("audit", ["audit", str(data)]),
                ("audit, against", ["audit", str(data), "--against", str(folder / "evaluation.jsonl")]),
                ("verify", ["verify", str(data)]),
            ):
                click.echo(f"{what}, {len(rows):,} rows", err=True)
                took = run(["-c", KEEP_GOING, *words])
                lines.append((what, len(rows), took))
    put(out, "audit", _part(load, lines))
    click.echo(f"wrote {out.name}")


KEEP_GOING = """
import sys
from instructkit.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    sys.exit(0 if end.code == 1 else end.code)
"""
"""The command; that it finds something is no failure of this run."""


def _write(path: Path, examples: Iterable[Example]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            prompt, answer = (message.content for message in example.messages)
            file.write(json.dumps({"id": example.id, "instruction": prompt, "output": answer}) + "\n")


def _part(load: float, lines: list[tuple[str, int, Run]]) -> str:
    head = ("command", "rows", "seconds", "CPU s", "peak MB", "rows/s")
    rows = [
        (
            f"`instructkit {what}`" if "," not in what else "`instructkit audit --against`",
            f"{size:,}",
            f"{took.seconds:.1f}",
            f"{took.cpu_s:.1f}",
            f"{took.peak_mb:,.0f}",
            f"{size / took.seconds:,.0f}",
        )
        for what, size, took in lines
    ]
    return "\n".join(
        [
            "## Looking at data",
            "",
            f"* Command: `python -m benchmarks.audit`, on {time.strftime('%Y-%m-%d')}",
            f"* Machine: {machine()}; load before the run {load:.1f}",
            "",
            TEXT.format(evaluation=EVALUATION),
            "",
            *table(head, rows),
            "",
            "Target: about a minute for 50,000 rows on 2 cores, in bounded memory.",
        ]
    )


if __name__ == "__main__":
    main()
