"""Exports: rows of a build as files that other tools read, with a data card beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import yaml

from instructkit.build.card import dataset_card
from instructkit.build.lock import lock_of
from instructkit.build.manifest import Build, Manifest
from instructkit.build.split_files import FileInfo, write_split_files
from instructkit.errors import UsageFault
from instructkit.hashing import file_digest, key_of
from instructkit.recipe.recipe import Recipe
from instructkit.schema import Drop, Example, empty
from instructkit.store.atomic import write_text
from instructkit.templates.rendering import compiled

CARD = "README.md"
HEADINGS = ("source", "template", "task", "language", "split")
"""Columns that the card counts rows by."""
MADE_HERE = "built by instructkit from the recipe below"
"""Words of every card of ours."""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files that an export wrote, and what the format had no place for."""

    files: list[FileInfo]
    dropped: dict[str, int]
    """Rows left out, by rule."""


def write_exports(build: Build, recipe: Recipe, before: Manifest | None) -> Build:
    """The build with the files of its export steps written; files of the build `before` from the same rows stay."""
    steps = dict(build.manifest.steps)
    earlier = {name: step for name, step in before.steps.items() if step.noun is None} if before else {}
    for name in earlier:
        if name not in steps or steps[name].noun is not None:
            shutil.rmtree(build.folder / name, ignore_errors=True)
    for name, entry in build.manifest.steps.items():
        if entry.noun is not None:
            continue
        old = earlier.get(name)
        if (
            old is not None
            and (old.stage, old.digest) == (entry.stage, entry.digest)
            and _there(build.folder / name, old.files)
        ):
            files = old.files
        else:
            shards = (build.store.get_shard(ref) for ref in entry.kept)
            files = _write_fresh(shards, build.folder / name, recipe.steps[name].stage)
        steps[name] = msgspec.structs.replace(entry, files=files)
        # The card also tells of drops and settings, which may change while the rows do not.
        title = f"{build.manifest.recipe} ({name})"
        _write_card(build, build.folder / name, title, files, tuple(entry.upstream), build.drops(name), {})
    return Build(build.folder, msgspec.structs.replace(build.manifest, steps=steps))


def export_step(build: Build, step: str, stage: Any, out: Path) -> ExportResult:
    """Write a step's rows to a folder of the user's: a new or empty one, or an earlier export's, which is replaced.

    Raises UsageFault when the step holds no rows that the format takes, or the folder holds anything else.
    """
    noun = build.noun(step)
    if noun not in stage.reads:
        known = [name for name in build.row_steps() if build.noun(name) in stage.reads]
        raise UsageFault(f"step '{step}' holds no rows for this format; steps that do: {', '.join(known) or 'none'}")
    _clear_earlier(out)
    dropped: list[pl.DataFrame] = []

    def kept() -> Iterator[pl.DataFrame]:
        for shard in build.shards(step):
            outcome = stage.apply(shard)
            dropped.append(outcome.dropped)
            yield outcome.kept

    files = list(write_split_files(kept(), out, stage).values())
    drops = pl.concat([empty(Drop), *dropped])
    rules = dict(drops.group_by("rule").len().sort("rule").iter_rows())
    title = build.manifest.recipe
    if noun is Example:
        _write_card(build, out, title, files, (step,), drops.lazy(), {("export", rule): n for rule, n in rules.items()})
    return ExportResult(files=files, dropped=rules)


def _there(folder: Path, files: list[FileInfo]) -> bool:
    paths = [(folder / file.name, file.digest) for file in files]
    return bool(paths) and all(path.is_file() and file_digest(path) == digest for path, digest in paths)


def _write_fresh(shards: Iterator[pl.DataFrame], folder: Path, stage: Any) -> list[FileInfo]:
    """Write into a folder that is the build's own: it is replaced whole, so nothing of an earlier build stays in it."""
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    files = list(write_split_files(shards, beside, stage).values())
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    return files


def _clear_earlier(out: Path) -> None:
    """Make way in a folder of the user's: remove the files that the card of an earlier export names, and no others."""
    if not out.is_dir() or not any(out.iterdir()):
        return
    card = out / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if MADE_HERE not in text:
        raise UsageFault(f"{out}: not empty, and not the folder of an earlier export; give a new one with --out")
    head = yaml.safe_load(text.split("---")[1])
    for file in head["configs"][0]["data_files"]:
        (out / file["path"]).unlink(missing_ok=True)
    card.unlink()


def _write_card(
    build: Build,
    folder: Path,
    title: str,
    files: list[FileInfo],
    upstream: tuple[str, ...],
    left_out: pl.LazyFrame,
    extra_drops: dict[tuple[str, str], int],
) -> None:
    """The card of what was written: the rows of `upstream` without those the export left out."""
    rows = pl.concat([build.rows(step) for step in upstream]).join(left_out.select("id"), on="id", how="anti")
    headings = [name for name in HEADINGS if name in rows.collect_schema()]
    counts = {
        heading: {value or "": count for value, count in rows.group_by(heading).len().collect().iter_rows()}
        for heading in headings
    }
    made_of = build.upstream(*upstream)
    drops = pl.concat([build.drops(*made_of), left_out]).group_by("step", "rule").len().collect()
    card = dataset_card(
        name=title,
        files=files,
        counts=counts,
        drops={(step, rule): n for step, rule, n in drops.iter_rows() if step is not None} | extra_drops,
        recipe=build.manifest.recipe_text,
        lock_digest=key_of(lock_of(build.manifest)),
        licenses=licences(build, made_of),
        languages=[language for language in counts.get("language", {}) if language],
    )
    write_text(folder / CARD, card)


def licences(build: Build, steps: list[str]) -> dict[str, str | None]:
    """Licence by template, read from the templates as they were rendered."""
    return {
        run.template: compiled(run.template, run.fields["sources"]).template.front.license
        for step in steps
        for run in build.step(step).runs
        if run.template and "sources" in run.fields
    }
