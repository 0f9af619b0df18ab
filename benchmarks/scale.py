"""`python -m benchmarks.scale`: near-duplicates among millions of short rows, as a part of docs/benchmarks.md.

rows ──▶ JSON Lines ──▶ `instructkit dedupe`                             memory and its growth
rows ──▶ sketches of `dedupe.minhash`, in shards ──▶ its `decide`        time and memory of the one serial step
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import polars as pl

from benchmarks.dedupe.watch import Watched, watch
from benchmarks.page import machine, table
from benchmarks.parts import put
from benchmarks.process import ROOT
from benchmarks.whole import COMMAND
from instructkit.schema import Document, columns
from instructkit.stages.dedupe.minhash import DedupeMinhash

PAGE = ROOT / "docs" / "benchmarks.md"
WORDS = 20
"""Of a row."""
VOCABULARY = 50_000
REPEATS = 0.1
"""Share of rows that repeat the one before but for their last word: similarity 15/17."""
SHARD_ROWS = 100_000
TEXT = (
    f"Rows of {WORDS} words drawn evenly from {VOCABULARY:,}; {100 * REPEATS:.0f} % repeat the row before but for the "
    "last word (similarity 0.88). *peak MB* is the memory of all processes together, shared pages counted once."
)


def rows(count: int, seed: int = 17) -> Iterator[pl.DataFrame]:
    """Frames of `SHARD_ROWS` rows and less, with columns id and text."""
    vocabulary = pl.Series([f"w{number:05}" for number in range(VOCABULARY)])
    for start in range(0, count, SHARD_ROWS):
        size = min(SHARD_ROWS, count - start)
        draw = np.random.default_rng([seed, start])
        chosen = draw.integers(0, VOCABULARY, (WORDS, size))
        again = np.flatnonzero(draw.random(size) < REPEATS)
        again = again[again > 0]
        for column in chosen[:-1]:
            column[again] = column[again - 1]
        text = pl.select(
            pl.concat_str([pl.lit(vocabulary.gather(column)) for column in chosen], separator=" ")
        ).to_series()
        yield pl.DataFrame({"id": np.arange(start, start + size), "text": text}).cast({"id": pl.String})


def one_shot(count: int, folder: Path) -> Watched:
    """`instructkit dedupe` on so many rows."""
    source, target = folder / "rows.jsonl", folder / "out.jsonl"
    with source.open("wb") as file:
        for frame in rows(count):
            frame.write_ndjson(file)
    took = watch([sys.executable, "-c", COMMAND, "dedupe", source, target], sorted(os.sched_getaffinity(0)))
    source.unlink()
    target.unlink()
    return took


def decision(count: int, folder: Path) -> dict[str, float]:
    """The `decide` of `dedupe.minhash` on so many rows, in a process of its own, over sketches made before."""
    stage = DedupeMinhash()
    for number, frame in enumerate(rows(count)):
        known = {"id": pl.col("id"), "text": pl.col("text"), "source": pl.lit("rows"), "group": pl.col("id")}
        origin = pl.struct(file=pl.lit("rows.jsonl"), line=pl.col("id").cast(pl.Int64))
        types = columns(Document)
        shard = frame.select(
            *(
                known.get(name, origin if name == "origin" else pl.lit(None)).cast(dtype).alias(name)
                for name, dtype in types.items()
            )
        )
        shard.write_parquet(folder / f"records-{number:05}.parquet")
        stage.sketch(shard).write_parquet(folder / f"sketches-{number:05}.parquet")
    measured = folder / "decision.json"
    took = watch([sys.executable, "-m", "benchmarks.scale", "--decide", folder], sorted(os.sched_getaffinity(0)))
    return {**json.loads(measured.read_text(encoding="utf-8")), "peak_mb": took.peak_mb}


def _decide(folder: Path) -> None:
    sketches, records = (pl.scan_parquet(folder / f"{what}-*.parquet") for what in ("sketches", "records"))
    start, cpu = time.perf_counter(), time.process_time()
    made = DedupeMinhash().decide(sketches, records)
    took = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "rows": made.height}
    (folder / "decision.json").write_text(json.dumps(took), encoding="utf-8")


@click.command()
@click.option(
    "--rows", "most", default=5_000_000, show_default=True, help="Rows of the largest file; also a fifth of it."
)
@click.option("--records", default=10_000_000, show_default=True, help="Records that are decided.")
@click.option("--out", type=click.Path(path_type=Path), default=PAGE, show_default="docs/benchmarks.md", help="Page.")
@click.option("--decide", type=click.Path(path_type=Path), hidden=True)
def main(most: int, records: int, out: Path, decide: Path | None) -> None:
    """Measure near-duplicate removal on millions of short rows."""
    if decide:
        _decide(decide)
        return
    load = os.getloadavg()[0]
    shots: dict[int, Watched] = {}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        for count in (most // 5, most):
            click.echo(f"{count:,} rows", err=True)
            shots[count] = one_shot(count, Path(name))
        click.echo(f"decision on {records:,} records", err=True)
        decided = decision(records, Path(name))
    growth = (shots[most].peak_mb - shots[most // 5].peak_mb) * 1e6 / (most - most // 5)
    shown = [
        (f"{count:,}", f"{took.seconds:.1f}", f"{took.cpu_s:.1f}", f"{took.peak_mb:,.0f}")
        for count, took in shots.items()
    ]
    text = "\n".join(
        [
            "## Near-duplicates among millions of rows",
            "",
            TEXT,
            "",
            f"* Command: `python -m benchmarks.scale`, on {time.strftime('%Y-%m-%d')}",
            f"* Machine: {machine()}; load before the run {load:.1f}",
            "",
            "`instructkit dedupe` from JSON Lines to JSON Lines:",
            "",
            *table(("rows", "seconds", "CPU s", "peak MB"), shown),
            "",
            f"From the smaller to the larger file memory grows by {growth:.0f} bytes a row.",
            "",
            f"The decision of `dedupe.minhash` alone (at its defaults, with groups at 0.7), on {records:,} records: "
            f"{decided['seconds']:.0f} s, {decided['cpu_s']:.0f} CPU-seconds, peak {decided['peak_mb']:,.0f} MB; "
            f"{decided['rows']:,} records are in clusters.",
        ]
    )
    put(out, "scale", text)
    click.echo(f"wrote {out.name}")


if __name__ == "__main__":
    main()
