"""`python -m benchmarks`: what stages, builds and start-up cost, as a part of docs/benchmarks.md."""

from __future__ import annotations

import os
import shutil
import time
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from benchmarks.cases import CASES, FINAL, MEASURED, PAIRS, RAW, WHOLE, write_project
from benchmarks.corpus import Corpus, make_corpus
from benchmarks.measure import Measurement
from benchmarks.page import Results, StageRow, part
from benchmarks.parts import put
from benchmarks.process import ROOT, Run, run
from benchmarks.whole import builds, starts

SIZES = (2_000, 8_000, 32_000)
PAGE = ROOT / "docs" / "benchmarks.md"


def _sizes(_: object, __: object, text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(sorted({int(size) for size in text.split(",")}))
    except ValueError:
        raise click.BadParameter("numbers of documents, such as 500,2000,8000") from None
    if min(sizes) < 1:
        raise click.BadParameter("a corpus has at least one document")
    return sizes


@click.command()
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, callback=_sizes, help="Documents.")
@click.option("--only", default="*", help="Pattern over stages (dedupe.*); then nothing else is measured.")
@click.option("--rounds", default=15, show_default=True, help="Runs of each command of the start-up table.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: docs/benchmarks.md; with --only, the terminal.")
def main(sizes: tuple[int, ...], only: str, rounds: int, out: Path | None) -> None:
    """Measure what each stage costs on text of this machine, at sizes a factor of four apart."""
    load = os.getloadavg()[0]
    start = time.perf_counter()
    corpus = make_corpus(max(sizes))
    if len(corpus.pieces) < max(sizes):
        # Fewer texts here than asked for: smaller sizes, as far apart.
        sizes = tuple(size * len(corpus.pieces) // max(sizes) for size in sizes)
    cases = [case for case in CASES if fnmatchcase(case.name, only)]
    missing = [case.name for case in cases if case.needs and find_spec(case.needs) is None]
    stages: list[StageRow] = []
    whole: list[tuple[str, int, Run]] = []
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        projects = Projects(Path(folder), corpus)
        for case in cases:
            for size in case.sizes(sizes) if case.name not in missing else ():
                click.echo(f"{case.name}, {size:,} documents", err=True)
                result = projects.measure(size, case.recipe)
                stages.append(StageRow(stage=case.name, documents=size, result=result))
        for size in sizes if only == "*" else ():
            click.echo(f"whole builds, {size:,} documents", err=True)
            whole += [(what, size, took) for what, took in builds(projects.recipe(size, "whole", WHOLE))]
    click.echo("start-up", err=True)
    results = Results(
        command=_command(sizes, only),
        date=time.strftime("%Y-%m-%d"),
        corpus=corpus.described(),
        load=load,
        stages=stages,
        builds=whole,
        starts=starts(rounds) if only == "*" else [],
        left_out=missing,
    )
    text = part(results)
    out = out or (PAGE if only == "*" else None)
    if out:
        put(out, "stages", text)
    click.echo(text if out is None else f"wrote {out.name} after {time.perf_counter() - start:.0f} s")


def _command(sizes: tuple[int, ...], only: str) -> str:
    """What to type for the same numbers; where they are written to is nobody else's business."""
    said = ["python -m benchmarks"]
    if sizes != SIZES:
        said.append(f"--sizes {','.join(map(str, sizes))}")
    if only != "*":
        said.append(f"--only '{only}'")
    return " ".join(said)


class Projects:
    """A project for each size, with the rows that measured steps read built once."""

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self.folder = folder
        self.corpus = corpus

    def recipe(self, size: int, name: str, text: str) -> Path:
        """A recipe in the project of a size."""
        project = self.folder / str(size)
        if not project.exists():
            write_project(project, self.corpus.head(size))
            above = project / "recipes/above.yaml"
            above.write_text(f"recipe: above\nseed: 17\nsteps:\n{RAW}{PAIRS}{FINAL}", encoding="utf-8")
            _measure_process(above)
        path = project / "recipes" / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def measure(self, size: int, recipe: str) -> Measurement:
        """Measure the last step of a recipe, in a process of its own."""
        path = self.recipe(size, "case", recipe)
        result = msgspec.json.decode(_measure_process(path, MEASURED), type=Measurement)
        shutil.rmtree(path.parent.parent / "build/case", ignore_errors=True)
        return result


def _measure_process(*words: object) -> str:
    return run(["-m", "benchmarks.measure", *map(str, words)]).output


if __name__ == "__main__":
    main()
