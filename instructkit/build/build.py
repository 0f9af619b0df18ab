"""`build` and `plan`: from a recipe to a build on disk.

<build folder>/
  .store/                   calls and shards, shared by all recipes of the folder
  <recipe>/
    manifest.json           what was built from what
    recipe.lock             what to expect of the same build elsewhere
    drops.parquet           every record that went no further, and why
    log.jsonl               what ran when, and for how long; the one file that differs from run to run
    <export step>/          files written for others
    trainings/<name>/       what `train` made
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit.build.call import Done
from instructkit.build.export import write_exports
from instructkit.build.keys import located
from instructkit.build.lock import check_lock, lock_of, read_lock, write_lock
from instructkit.build.manifest import Build, Manifest
from instructkit.build.runner import Observer, Runner, StepProgress
from instructkit.errors import InstructkitError, UsageFault
from instructkit.executors.local import Executor
from instructkit.hashing import canonical_json
from instructkit.recipe.recipe import Recipe
from instructkit.store.atomic import beside, locked_file
from instructkit.store.shards import sink_shard
from instructkit.store.store import Store

LOG = "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """A finished build and what it took."""

    build: Build
    steps: dict[str, StepProgress]
    seconds: float

    @property
    def ran(self) -> int:
        """Calls that ran; 0 when everything was there."""
        return sum(step.ran for step in self.steps.values())


def build(
    recipe: Recipe,
    build_dir: Path,
    executor: Executor,
    *,
    observe: Observer | None = None,
    locked: Path | None = None,
) -> BuildResult:
    """Build a recipe; what has been built before is not built again.

    `locked` names a lock file that inputs, versions and results must meet. Raises LockMismatch when they do not, and
    whatever a stage raises.
    """
    start = time.perf_counter()
    expected = read_lock(locked) if locked else None
    store = Store(build_dir / ".store")
    store.sweep()
    folder = build_dir / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    with store.held(), alone(folder), _open_log(folder / LOG) as log:
        before = _manifest_before(folder)
        if before is not None and before.recipe_file != recipe.file_in_project:
            raise UsageFault(
                f"{folder} is the build of {before.recipe_file}, and {recipe.file_in_project} has the same name "
                f"'{recipe.name}'; give one of them another under `recipe:`, or remove that folder"
            )
        runner = Runner(recipe, store, executor, observe, lambda done: _write_log(log, _line(done)), before)
        manifest = runner.run()
        lock = lock_of(manifest)
        if expected is not None:
            check_lock(expected, lock, locked or folder)
        result = write_exports(Build(folder, manifest), recipe, before)
        _write_drops(result)
        write_lock(lock, folder)
        result.save()
        _write_log(log, {"at": _now(), "built": True})
    return BuildResult(build=result, steps=runner.progress, seconds=time.perf_counter() - start)


def plan(recipe: Recipe, build_dir: Path) -> dict[str, StepProgress]:
    """What a build would do: for each step, calls that are done, calls to run, and where that cannot be known yet."""
    return planned(recipe, build_dir)[0]


def planned(recipe: Recipe, build_dir: Path) -> tuple[dict[str, StepProgress], Build]:
    """What `plan` says, and the build as far as it has got: the steps whose rows are there."""
    runner = Runner(recipe, Store(build_dir / ".store"), None)
    manifest = runner.run()
    return runner.progress, Build(build_dir / recipe.name, manifest)


def outlook(recipe: Recipe, steps: dict[str, StepProgress], build: Build) -> dict[str, list[str]]:
    """What stages can say beforehand, by step: what to expect, and what it will take. The rest is what `planned` gave.

    A stage is shown the rows that it would read where all of them are built. What it raises is a line of its own, so
    that it hides nothing of what other steps say.
    """
    said: dict[str, list[str]] = {}
    for name in steps:
        stage = located(recipe.steps[name].stage, recipe.root)
        if hasattr(stage, "outlook"):
            above = recipe.steps[name].upstream
            waits = any(steps[each].unknown for each in above)
            try:
                said[name] = stage.outlook(None if waits else pl.concat([build.rows(each) for each in above]))
            except InstructkitError as error:
                # Paths as the recipe names them: below the project's folder.
                shown = str(error).replace(f"{recipe.root}{os.sep}", "")
                said[name] = [f"the build would stop here: {shown}"]
    return said


def _manifest_before(folder: Path) -> Manifest | None:
    """The manifest of the recipe's last build; None when there is none that this version reads."""
    try:
        return Build.open(folder).manifest
    except UsageFault:
        return None


def _write_drops(result: Build) -> None:
    with beside(result.folder / "drops.parquet") as temporary:
        sink_shard(result.drops(), temporary)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second build of the same recipe away. Raises UsageFault when there is one."""
    try:
        with locked_file(folder / ".lock", alone=True):
            yield
    except BlockingIOError:
        raise UsageFault(f"{folder}: another build of this recipe is running here; wait for it to end") from None


@contextmanager
def _open_log(path: Path) -> Iterator[BufferedWriter]:
    # Appended to by one write a line: after a kill the log says exactly which calls had finished.
    with path.open("ab") as log:
        yield log


def _write_log(log: BufferedWriter, line: dict[str, Any]) -> None:
    os.write(log.fileno(), canonical_json(line).encode() + b"\n")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _line(done: Done) -> dict[str, Any]:
    return {
        "at": _now(),
        "step": done.call.step,
        "verb": done.call.verb,
        "where": done.call.where,
        "key": done.call.key,
        "seconds": round(done.seconds, 4),
        "rows_kept": sum(ref.rows for ref in done.record.kept),
        "rows_dropped": sum(ref.rows for ref in done.record.dropped),
    }


def last_build(build_dir: Path) -> Path | None:
    """The folder of the build made last, None when there is none."""
    manifests = sorted(build_dir.glob("*/manifest.json"), key=lambda path: (path.stat().st_mtime_ns, path))
    return manifests[-1].parent if manifests else None


def keys_in_use(build_dir: Path) -> list[str]:
    """Keys of all calls that the builds of a folder are made of, and of those that an unfinished build has made.

    A manifest that this version cannot read uses nothing: its build has to be made again anyway.
    """
    keys = []
    for folder in sorted(path for path in build_dir.iterdir() if path.is_dir()):
        if (manifest := _manifest_before(folder)) is not None:
            keys += [call.key for step in manifest.steps.values() for run in step.runs for call in run.calls]
        unfinished: list[str] = []
        for line in read_log(folder):
            unfinished = [] if line.get("built") else [*unfinished, str(line["key"])]
        keys += unfinished
    return keys


def gc(build_dir: Path, dry_run: bool = False) -> tuple[int, int]:
    """Remove what the last builds do not use; returns files and bytes. Raises UsageFault while a build is running."""
    store = Store(build_dir / ".store")
    with store.held(alone=True):
        return store.gc(keys_in_use(build_dir), dry_run)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The log's lines, oldest first: a call that ran, or `built` at the end of a build."""
    path = folder / LOG
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
