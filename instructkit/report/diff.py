"""What differs between two builds: causes first (settings, inputs, templates, versions), then rows."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from instructkit.build.manifest import Build, StepEntry
from instructkit.hashing import canonical_json


class StepDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs in one step; empty lists and equal counts where nothing does."""

    step: str
    only_in: str | None = None
    """"a" or "b" where the other build has no such step."""
    settings: list[str] = []
    inputs_added: list[str] = []
    inputs_removed: list[str] = []
    inputs_changed: list[str] = []
    templates: list[str] = []
    packages: list[str] = []
    rows: tuple[int, int] = (0, 0)
    dropped: tuple[int, int] = (0, 0)
    added: int = 0
    removed: int = 0
    changed: int = 0
    examples: dict[str, list[str]] = {}
    """A few ids each of what was added, removed, changed."""
    same: bool = False


def diff(a: Build, b: Build, shown: int = 5) -> list[StepDiff]:
    """Differences by step, in the order of the recipes."""
    steps = list(dict.fromkeys([*a.manifest.steps, *b.manifest.steps]))
    return [_step_diff(a, b, name, shown) for name in steps]


def _step_diff(a: Build, b: Build, name: str, shown: int) -> StepDiff:
    first, second = a.manifest.steps.get(name), b.manifest.steps.get(name)
    if first is None or second is None:
        return StepDiff(step=name, only_in="a" if second is None else "b")
    before, after = ({e.name: e.digest for e in step.inputs} for step in (first, second))
    added, removed, changed, ids = _rows(a, b, name, shown) if first.digest != second.digest else (0, 0, 0, {})
    result = StepDiff(
        step=name,
        settings=_changes(_settings(first), _settings(second)),
        inputs_added=[name for name in after if name not in before],
        inputs_removed=[name for name in before if name not in after],
        inputs_changed=[name for name in after if name in before and before[name] != after[name]],
        templates=_changes(first.templates, second.templates),
        packages=_changes(first.packages, second.packages),
        rows=(first.rows_kept, second.rows_kept),
        dropped=(first.rows_dropped, second.rows_dropped),
        added=added,
        removed=removed,
        changed=changed,
        examples=ids,
    )
    return msgspec.structs.replace(
        result,
        same=result == StepDiff(step=name, rows=result.rows, dropped=result.dropped)
        and result.rows[0] == result.rows[1]
        and result.dropped[0] == result.dropped[1],
    )


def _settings(step: StepEntry) -> dict[str, Any]:
    version = max((run.version for run in step.runs), default=0)
    return {"stage": step.stage, "from": step.upstream, "version": version, **step.settings}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{key}: {_text(before.get(key))} → {_text(after.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _text(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else canonical_json(value)


def _rows(a: Build, b: Build, name: str, shown: int) -> tuple[int, int, int, dict[str, list[str]]]:
    """Rows added, removed and changed, by id; a row changed when any of its columns did."""

    def hashed(build: Build) -> pl.LazyFrame:
        rows = build.rows(name)
        # Hashes are compared within this process only; polars does not promise them across versions.
        return rows.select("id", hash=pl.struct(pl.all().exclude("id")).map_batches(_hash, return_dtype=pl.UInt64))

    both = hashed(a).join(hashed(b), on="id", how="full", coalesce=True, suffix="_b").collect()
    kinds = {
        "added": both.filter(pl.col("hash").is_null()),
        "removed": both.filter(pl.col("hash_b").is_null()),
        "changed": both.filter(pl.col("hash") != pl.col("hash_b")),
    }
    ids = {kind: rows["id"].sort().head(shown).to_list() for kind, rows in kinds.items() if rows.height}
    return kinds["added"].height, kinds["removed"].height, kinds["changed"].height, ids


def _hash(rows: pl.Series) -> pl.Series:
    return rows.struct.unnest().hash_rows(seed=0)


def diff_lines(differences: list[StepDiff]) -> list[str]:
    """The differences as text."""
    lines: list[str] = []
    for step in differences:
        if step.only_in:
            lines.append(f"{step.step}: only in {step.only_in}")
            continue
        if step.same:
            lines.append(f"{step.step}: the same {step.rows[0]:,} rows")
            continue
        lines.append(
            f"{step.step}: rows {step.rows[0]:,} → {step.rows[1]:,}, "
            f"dropped {step.dropped[0]:,} → {step.dropped[1]:,}; "
            f"{step.added:,} added, {step.removed:,} removed, {step.changed:,} changed"
        )
        lines += [f"  setting  {text}" for text in step.settings]
        lines += [f"  package  {text}" for text in step.packages]
        lines += [f"  template {text}" for text in step.templates]
        for what, parts in (
            ("added", step.inputs_added),
            ("removed", step.inputs_removed),
            ("changed", step.inputs_changed),
        ):
            lines += [f"  input {what}: {part}" for part in parts]
        lines += [f"  {kind}: {', '.join(ids)}" for kind, ids in step.examples.items()]
    return lines
