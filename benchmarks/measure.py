"""Measure one step of a recipe, in a process of its own: `python -m benchmarks.measure RECIPE [STEP]`.

Only the calls of the step are timed, each whole: read the shards, run the stage, write the shards. An export also
writes its files. With no step named, the recipe is built and nothing is measured: rows for others to read.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

from benchmarks.process import megabytes
from instructkit.build.build import build
from instructkit.build.export import write_exports
from instructkit.build.manifest import Build, Manifest, StepEntry
from instructkit.build.runner import Runner
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import Recipe, load_recipe
from instructkit.schema import Example
from instructkit.stages.contract import IngestStage
from instructkit.store.store import Store

T = TypeVar("T")
R = TypeVar("R")


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of a step took."""

    rows: int
    """Rows in."""
    megabytes: float
    """Text in, in 10^6 bytes of UTF-8: of the source files for an ingest, of texts or messages for others."""
    seconds: float
    cpu_s: float
    """User and system time, over all threads."""
    peak_mb: float
    """Largest resident memory of the process so far, in 10^6 bytes."""
    base_mb: float
    """The same before the first call: the interpreter, the imports and the recipe."""
    calls: int


class Stopwatch:
    """An executor that runs calls here and times those of one step."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_s = 0.0
        self.calls = 0
        self.base_mb = self.peak_mb = 0.0

    def run(self, function: Callable[[T], R], calls: Sequence[T]) -> Iterator[R]:
        """See `Executor.run`."""
        self.calls += len(calls)
        return iter(self.timed(lambda: [function(call) for call in calls]))

    def timed(self, work: Callable[[], R]) -> R:
        """Do the work and add what it took."""
        self.base_mb = self.base_mb or peak_mb()
        start, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.seconds += time.perf_counter() - start
        self.cpu_s += time.process_time() - cpu
        self.peak_mb = peak_mb()
        return result


def measure(recipe: Recipe, step: str, build_dir: Path) -> Measurement:
    """Run a recipe whose last step is `step` and whose other steps have been built."""
    watch = Stopwatch()
    runner = Runner(recipe, Store(build_dir / ".store"), watch)
    manifest = runner.run()
    ran = [name for name, progress in runner.progress.items() if progress.ran]
    if ran != [step]:
        raise SystemExit(f"only step '{step}' was to run, but calls ran in {', '.join(ran) or 'none'}")
    if hasattr(recipe.steps[step].stage, "file_format"):
        folder = build_dir / recipe.name
        folder.mkdir(parents=True, exist_ok=True)
        watch.timed(lambda: write_exports(Build(folder, manifest), recipe, None))
    return Measurement(
        rows=manifest.steps[step].rows_in,
        megabytes=_bytes_in(recipe, manifest, step, build_dir) / 1e6,
        seconds=watch.seconds,
        cpu_s=watch.cpu_s,
        peak_mb=watch.peak_mb,
        base_mb=watch.base_mb,
        calls=watch.calls,
    )


def peak_mb() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes."""
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _bytes_in(recipe: Recipe, manifest: Manifest, step: str, build_dir: Path) -> int:
    stage = recipe.steps[step].stage
    if isinstance(stage, IngestStage):
        files = {file.path for part in stage.parts(recipe.root) for file in part.files}
        return sum(path.stat().st_size for path in files)
    above: StepEntry = manifest.steps[recipe.steps[step].upstream[0]]
    rows = Build(build_dir / recipe.name, manifest).rows(recipe.steps[step].upstream[0])
    contents = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum()
    size = contents if above.noun == Example.__name__ else pl.col("text").str.len_bytes()
    return int(rows.select(size.sum()).collect().item())


def main() -> None:
    """Print the measurement as JSON."""
    recipe = load_recipe(Path(sys.argv[1]))
    build_dir = recipe.root / "build"
    if len(sys.argv) < 3:
        with LocalExecutor() as executor:
            build(recipe, build_dir, executor)
        return
    print(msgspec.json.encode(measure(recipe, sys.argv[2], build_dir)).decode())


if __name__ == "__main__":
    main()
