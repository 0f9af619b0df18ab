"""Exports: rows of a build as files that other tools read, with a data card beside them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit.build.lock import lock_of
from instructkit.build.manifest import Build, Manifest
from instructkit.errors import UsageFault
from instructkit.hashing import key_of
from instructkit.recipe.recipe import Recipe
from instructkit.schema import Example
from instructkit.stages.export.card import dataset_card
from instructkit.stages.export.write import FileInfo, write_split_files
from instructkit.templates.rendering import compiled

CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files that an export wrote, and what the format had no place for."""

    files: list[FileInfo]
    dropped: Counter[tuple[str, str]]
    """Examples left out, by (rule, detail of the first)."""


def write_exports(build: Build, recipe: Recipe, before: Manifest | None) -> Build:
    """The build with the files of its export steps written; files of the build `before` from the same rows stay."""
    steps = dict(build.manifest.steps)
    for name, step in recipe.steps.items():
        if not hasattr(step.stage, "file_format"):
            continue
        entry, old = steps[name], before.steps.get(name) if before else None
        if (
            old is None
            or (old.stage, old.digest) != (entry.stage, entry.digest)
            or not _there(build.folder / name, old.files)
        ):
            shards = (build.store.get_shard(ref) for ref in entry.kept)
            files = _write_fresh(shards, build.folder / name, step.stage)
        else:
            files = old.files
        steps[name] = msgspec.structs.replace(entry, files=files)
        # The card also tells of drops and settings, which may change while the rows do not.
        _write_card(build, build.folder / name, step.upstream, files, name)
    return Build(build.folder, msgspec.structs.replace(build.manifest, steps=steps))


def export_step(build: Build, step: str, stage: Any, out: Path) -> ExportResult:
    """Write a step's examples to a folder of the user's.

    Raises UsageFault when the step holds no examples, StageError when the folder holds files of another export.
    """
    if build.noun(step) is not Example or build.step(step).stage.startswith("export."):
        raise UsageFault(f"step '{step}' holds no examples; export one that does: {', '.join(build.example_steps())}")
    dropped: Counter[tuple[str, str]] = Counter()

    def kept() -> Iterator[pl.DataFrame]:
        details: dict[str, str] = {}
        for shard in build.shards(step):
            outcome = stage.apply(shard)
            for drop in outcome.dropped.iter_rows(named=True):
                detail = details.setdefault(drop["rule"], drop["detail"] or "")
                dropped[drop["rule"], detail] += 1
            yield outcome.kept

    files = list(write_split_files(kept(), out, stage).values())
    _write_card(build, out, (step,), files, build.manifest.recipe)
    return ExportResult(files=files, dropped=dropped)


def _there(folder: Path, files: list[FileInfo]) -> bool:
    paths = [(folder / file.name, file.size_bytes) for file in files]
    return bool(paths) and all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _write_fresh(shards: Iterator[pl.DataFrame], folder: Path, stage: Any) -> list[FileInfo]:
    """Write into a folder that is the build's own: it is replaced whole, so nothing of an earlier build stays in it."""
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    infos = list(write_split_files(shards, beside, stage).values())
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    return infos


def _write_card(build: Build, folder: Path, upstream: tuple[str, ...], files: list[FileInfo], name: str) -> None:
    rows = pl.concat([build.rows(step) for step in upstream])
    headings = ("source", "template", "task", "language", "split")
    counts = {
        heading: {value or "": count for value, count in rows.group_by(heading).len().collect().iter_rows()}
        for heading in headings
    }
    drops = build.drops().group_by("step", "rule").len().collect()
    card = dataset_card(
        name=build.manifest.recipe if name == build.manifest.recipe else f"{build.manifest.recipe} ({name})",
        files=files,
        counts=counts,
        drops={(step, rule): count for step, rule, count in drops.iter_rows()},
        recipe=build.manifest.recipe_text,
        lock_digest=key_of(lock_of(build.manifest)),
        licenses=_licences(build),
        languages=[language for language in counts["language"] if language],
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).write_text(card, encoding="utf-8")


def _licences(build: Build) -> dict[str, str | None]:
    """Licence by template, read from the templates as they were rendered."""
    return {
        run.template: compiled(run.template, run.fields["sources"]).template.front.license
        for step in build.manifest.steps.values()
        for run in step.runs
        if run.template and "sources" in run.fields
    }
