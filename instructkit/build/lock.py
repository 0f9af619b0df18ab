"""The lock: what a build is made of and what it gave, short enough to review in git.

It pins inputs, templates, stage and package versions, fields and the content of every step's rows. `build --locked
FILE` gives the same bytes on another machine, or says what differs, causes first: an input, a version, a field, and
only then rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from instructkit.build.manifest import Manifest, StepEntry
from instructkit.errors import LockMismatch, UsageFault
from instructkit.store.atomic import write_text

FILE = "recipe.lock"
SHOWN = 20
"""Differences listed before the rest is only counted."""


def lock_of(manifest: Manifest) -> dict[str, Any]:
    """The lock of a build, as plain data."""
    packages = {name: version for step in manifest.steps.values() for name, version in step.packages.items()}
    return {
        "instructkit": manifest.instructkit,
        "recipe": manifest.recipe,
        "seed": manifest.seed,
        "packages": dict(sorted(packages.items())),
        "steps": {name: _step_lock(step) for name, step in manifest.steps.items()},
    }


def _step_lock(step: StepEntry) -> dict[str, Any]:
    return {
        "stage": step.stage,
        "version": max((run.version for run in step.runs), default=0),
        "from": step.upstream,
        "settings": step.settings,
        "inputs": {entry.name: entry.digest for entry in step.inputs},
        "templates": step.templates,
        "rows": {"in": step.rows_in, "kept": step.rows_kept, "dropped": step.rows_dropped},
        "output": step.digest,
    }


def write_lock(lock: dict[str, Any], folder: Path) -> None:
    """Write `recipe.lock`, whole or not at all."""
    write_text(folder / FILE, msgspec.json.format(msgspec.json.encode(lock), indent=1).decode() + "\n")


def read_lock(file: Path) -> dict[str, Any]:
    """Read a lock. Raises UsageFault when it is not one."""
    try:
        lock = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise UsageFault(f"{file}: no such lock; each build writes one as BUILD/{FILE}") from None
    except msgspec.MsgspecError as error:
        raise UsageFault(f"{file}: not a lock ({error})") from None
    return lock


def check_lock(expected: dict[str, Any], found: dict[str, Any], file: Path) -> None:
    """Raises LockMismatch listing what differs."""
    differences = list(_differences(expected, found, ""))
    if differences:
        # Rows differ because of something: say that first.
        differences.sort(key=lambda line: ".output" in line or ".rows." in line)
        more = [f"  … and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        raise LockMismatch(
            "\n".join([f"{file}: this build is not the locked one", *(f"  {d}" for d in differences[:SHOWN]), *more])
        )


def _differences(expected: Any, found: Any, path: str) -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [
            line
            for key in keys
            for line in _differences(expected.get(key), found.get(key), f"{path}.{key}" if path else key)
        ]
    if expected == found:
        return []
    return [f"{path}: locked {_short(expected)}, found {_short(found)}"]


def _short(value: Any) -> str:
    return "nothing" if value is None else str(value)
