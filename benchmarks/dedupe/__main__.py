"""`python -m benchmarks.dedupe`: near-duplicate removal against other libraries, as a part of docs/benchmarks.md."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import polars as pl

from benchmarks.corpus import make_corpus
from benchmarks.dedupe.accuracy import accuracy
from benchmarks.dedupe.page import Corpus, Row, part
from benchmarks.dedupe.planted import COPIES, Planted, plant
from benchmarks.dedupe.tools import OTHERS, OURS, READ_AND_WRITE, Tool, peer_tool
from benchmarks.dedupe.truth import CUTS, cached_pairs
from benchmarks.dedupe.watch import Watched, watch
from benchmarks.parts import put
from benchmarks.process import ROOT

SIZES = (12_000, 50_000, 200_000)
THRESHOLDS = (0.7, 0.8)
PAGE = ROOT / "docs" / "benchmarks.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "instructkit-benchmarks"
WARM_UP = 500
"""Documents of the run before the measured ones: it fills caches of files and of compiled code."""


def _numbers(kind: type[int] | type[float], what: str) -> object:
    def parse(_: object, __: object, text: str) -> tuple[float, ...]:
        try:
            return tuple(sorted({kind(word) for word in text.split(",")}))
        except ValueError:
            raise click.BadParameter(what) from None

    return parse


@click.command()
@click.option(
    "--sizes",
    default=",".join(map(str, SIZES)),
    show_default=True,
    callback=_numbers(int, "numbers of documents, such as 1000,5000"),
    help="Documents.",
)
@click.option(
    "--thresholds",
    default=",".join(map(str, THRESHOLDS)),
    show_default=True,
    callback=_numbers(float, "similarities, such as 0.7,0.8"),
    help="Least similarity of duplicates.",
)
@click.option("--only", default="*", show_default=True, help="Tools, such as instructkit,rensa.")
@click.option("--rounds", default=1, show_default=True, help="Runs of each tool; the quickest counts.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=CACHE,
    show_default="the user's cache folder",
    help="Folder for the environments of the other libraries and for the true pairs.",
)
@click.option("--out", type=click.Path(path_type=Path), default=PAGE, show_default="docs/benchmarks.md", help="Page.")
def main(sizes: tuple[int, ...], thresholds: tuple[float, ...], only: str, rounds: int, cache: Path, out: Path) -> None:
    """Compare near-duplicate removal with other libraries, on edited copies of text of this machine."""
    start, load = time.perf_counter(), os.getloadavg()[0]
    tools, left_out = _tools(only, cache / "environments")
    pieces = [piece.body for piece in make_corpus(max(sizes)).pieces]
    most = int(len(pieces) / (1 - COPIES))
    if most < max(sizes):
        # Fewer texts here than asked for: smaller sizes, as far apart.
        sizes = tuple(size * most // max(sizes) for size in sizes)
    corpora: list[Corpus] = []
    rows: list[Row] = []
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        warm = plant(pieces, min(WARM_UP, *sizes), folder / "warm-up.jsonl")
        for tool in tools:
            _run(tool, warm.path, thresholds[0], sorted(os.sched_getaffinity(0)))
        for size in sizes:
            click.echo(f"{size:,} documents: corpus and true pairs", err=True)
            planted = plant(pieces, size, folder / "corpus.jsonl")
            truths = {cut: _truth(planted, cut, min(thresholds), cache) for cut in CUTS}
            corpora.append(Corpus.of(planted, truths, thresholds))
            rows += _measured(tools, planted, truths, thresholds, rounds)
    text = part(
        command=_command(sizes, thresholds, only, rounds),
        date=time.strftime("%Y-%m-%d"),
        load=load,
        corpora=corpora,
        rows=rows,
        left_out=left_out,
        tools=[tool.name for tool in tools],
    )
    put(out, "dedupe", text)
    click.echo(f"wrote {out.name} after {time.perf_counter() - start:.0f} s")


def _tools(only: str, environments: Path) -> tuple[list[Tool], list[str]]:
    """(those that take part, those that cannot be installed here)."""
    wanted = only.split(",")
    tools, left_out = [], []
    for peer in OTHERS:
        if any(fnmatchcase(peer.name, pattern) for pattern in wanted):
            try:
                tools.append(peer_tool(peer, environments))
            except (OSError, subprocess.CalledProcessError) as error:
                output = getattr(error, "stderr", b"") or str(error).encode()
                click.echo(f"{peer.name} is left out:\n{output.decode(errors='replace')}", err=True)
                left_out.append(peer.name)
    ours = [tool for tool in (OURS, READ_AND_WRITE) if any(fnmatchcase(tool.name, pattern) for pattern in wanted)]
    return [*ours, *tools], left_out


def _truth(planted: Planted, cut: str, threshold: float, cache: Path) -> pl.DataFrame:
    return planted.mark(cached_pairs(planted.path, planted.digest, cut, threshold, cache / "truth"))


def _measured(
    tools: Sequence[Tool],
    planted: Planted,
    truths: dict[str, pl.DataFrame],
    thresholds: Sequence[float],
    rounds: int,
) -> list[Row]:
    """One row for each tool, threshold and number of cores, the tools taking turns."""
    available = sorted(os.sched_getaffinity(0))
    ids = pl.Series(planted.ids)
    rows: dict[tuple[float, str, int], Row] = {}
    takers = [tool for tool in tools if len(ids) <= (tool.largest or len(ids))]
    for _, threshold, cores in product(range(rounds), thresholds, (1, 2)[: len(available)]):
        for tool in takers if threshold == thresholds[0] else [tool for tool in takers if tool.heeds_threshold]:
            click.echo(f"  {tool.name}, threshold {threshold:g}, cores: {cores}", err=True)
            took, ids_kept = _run(tool, planted.path, threshold, available[:cores])
            kept = ids.is_in(ids_kept.implode()).to_numpy()
            for at in [threshold] if tool.heeds_threshold else thresholds:
                row = Row(
                    tool=tool.name,
                    documents=len(ids),
                    threshold=at,
                    cores=cores,
                    took=took,
                    accuracy=accuracy(kept, truths[tool.cut], at) if tool.cut else None,
                )
                known = rows.setdefault((at, tool.name, cores), row)
                if took.cpu_s < known.took.cpu_s:
                    rows[at, tool.name, cores] = row
    order = [tool.name for tool in tools]
    return sorted(rows.values(), key=lambda row: (row.threshold, order.index(row.tool), row.cores))


def _run(tool: Tool, source: Path, threshold: float, cores: Sequence[int]) -> tuple[Watched, pl.Series]:
    """(what it took, the ids of what it kept); written into a folder where nothing was before."""
    with TemporaryDirectory(dir=source.parent) as name:
        target = Path(name) / "out.jsonl"
        took = watch(tool.command(source, target, threshold), cores)
        return took, pl.read_ndjson(target, schema={"id": pl.String})["id"]


def _command(sizes: tuple[int, ...], thresholds: tuple[float, ...], only: str, rounds: int) -> str:
    """What to type for the same numbers."""
    said = ["python -m benchmarks.dedupe"]
    if sizes != SIZES:
        said.append(f"--sizes {','.join(map(str, sizes))}")
    if thresholds != THRESHOLDS:
        said.append(f"--thresholds {','.join(f'{t:g}' for t in thresholds)}")
    if only != "*":
        said.append(f"--only '{only}'")
    if rounds != 1:
        said.append(f"--rounds {rounds}")
    return " ".join(said)


if __name__ == "__main__":
    main()
