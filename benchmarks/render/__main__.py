"""`python -m benchmarks.render`: the render step beside bare Jinja and `datasets.map`, for docs/benchmarks.md."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from benchmarks.corpus import make_corpus
from benchmarks.parts import put
from benchmarks.process import ROOT, run
from benchmarks.render.page import part
from benchmarks.render.project import BODIES, PIECES_PER_ROW, passages, write_project
from benchmarks.render.ways import WAYS, Took
from benchmarks.whole import COMMAND

PAGE = ROOT / "docs" / "benchmarks.md"
ROWS = 100_000
ROUNDS = 5


@click.command()
@click.option("--rows", default=ROWS, show_default=True, type=click.IntRange(min=1), help="Rows to render.")
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(min=1), help="Runs of each way.")
@click.option("--out", default=PAGE, type=click.Path(path_type=Path), help="Default: docs/benchmarks.md.")
def main(rows: int, rounds: int, out: Path) -> None:
    """Measure what rendering costs from Parquet to Parquet, beside loops over rows in memory."""
    load = os.getloadavg()[0]
    start = time.perf_counter()
    best: dict[tuple[str, str], Took] = {}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        project = Path(name) / "project"
        write_project(project, passages(make_corpus(int(rows * PIECES_PER_ROW) + 1).pieces, rows))
        run(["-c", COMMAND, "build", str(project / "recipes/raw.yaml"), "--workers", "1"])
        for number in range(rounds):
            for key in ((template, way) for template in BODIES for way in WAYS):
                click.echo(f"round {number + 1} of {rounds}: {', '.join(key)}", err=True)
                words = ["-m", "benchmarks.render.ways", key[1], key[0], str(project)]
                took = msgspec.json.decode(run(words).output.splitlines()[-1], type=Took)
                known = best.setdefault(key, took)
                best[key] = Took(
                    rows=took.rows, seconds=min(known.seconds, took.seconds), cpu_s=min(known.cpu_s, took.cpu_s)
                )
        where = msgspec.json.decode(run(["-m", "benchmarks.render.where", str(project)]).output, type=dict[str, float])
    said = ["python -m benchmarks.render"]
    if rows != ROWS:
        said.append(f"--rows {rows}")
    if rounds != ROUNDS:
        said.append(f"--rounds {rounds}")
    put(out, "render", part(" ".join(said), time.strftime("%Y-%m-%d"), load, best, where))
    click.echo(f"wrote {out.name} after {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
