"""Rows of an earlier build, found through its folder alone: for stages, which know no builds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from instructkit.errors import InputError, did_you_mean
from instructkit.store.store import ShardRef, Store

FILE = "manifest.json"
LOG = "log.jsonl"
"""What a build writes from its first call on."""
STORE = ".store"
"""Beside the folders of builds."""
SPLIT = "split"
"""Name of the stage that divides rows."""


class _Call(msgspec.Struct, frozen=True):
    verb: str
    kept: list[ShardRef]


class _Run(msgspec.Struct, frozen=True):
    calls: list[_Call]


class ExportedFile(msgspec.Struct, frozen=True):
    """A file that an export step wrote."""

    name: str
    """Path inside the export's folder, which is called as the step."""
    split: str
    """Of its rows; for rows without one what the export says instead."""
    rows: int
    digest: str


class _Step(msgspec.Struct, frozen=True):
    stage: str
    noun: str | None
    runs: list[_Run]
    files: list[ExportedFile] = []


class _Manifest(msgspec.Struct, frozen=True):
    """The part of a build's manifest that says where rows lie; see `build.manifest`, which writes it."""

    instructkit: str
    steps: dict[str, _Step]


def is_build(folder: Path) -> bool:
    """Whether a folder is that of a build.

    Raises InputError where it is and cannot be read: the build has never come to its end, or the manifest is damaged or
    of another version.
    """
    return _manifest(folder) is not None


def looks_like_build(folder: Path) -> bool:
    """Whether a folder is that of a build, finished or not."""
    if _of_a_build(folder):
        return True
    try:
        return is_build(folder)
    except InputError:
        return True


def step_shards(folder: Path, step: str | None = None) -> tuple[str, list[tuple[Path, ShardRef]]]:
    """A step of the build in a folder (None: the last one with documents or examples), and its shards in order.

    Raises InputError for a step that is not there or is an export, StoreError for a shard that is missing.
    """
    manifest = _manifest(folder)
    assert manifest is not None, "is_build() has been asked"
    names = [name for name, each in manifest.steps.items() if each.noun is not None]
    chosen = step or (names[-1] if names else "")
    if chosen not in names:
        wrong = f"no step '{step}' with documents or examples{did_you_mean(chosen, names)}" if step else "no rows"
        raise InputError(f"{folder}: this build has {wrong} (steps with rows: {', '.join(names) or 'none'})")
    calls = [call for run in manifest.steps[chosen].runs for call in run.calls if call.verb in ("read", "apply")]
    shards = [ref for call in calls for ref in call.kept]
    return chosen, list(zip(Store(folder.parent / STORE).paths(shards), shards, strict=True))


def exports(folder: Path) -> list[str]:
    """The export steps of the build in a folder, in order."""
    manifest = _manifest(folder)
    assert manifest is not None, "is_build() has been asked"
    return [name for name, each in manifest.steps.items() if each.noun is None]


def exported_files(folder: Path, step: str) -> list[ExportedFile]:
    """The files of an export step. Raises InputError for one that is missing."""
    manifest = _manifest(folder)
    assert manifest is not None, "is_build() has been asked"
    files = manifest.steps[step].files
    for file in files:
        if not (folder / step / file.name).is_file():
            raise InputError(f"{folder / step / file.name}: written by the last build, but not there; build again")
    return files


def split_steps(folder: Path) -> list[str]:
    """The steps of the build in a folder that divided its rows, in order."""
    manifest = _manifest(folder)
    assert manifest is not None, "is_build() has been asked"
    return [name for name, each in manifest.steps.items() if each.stage == SPLIT]


def _manifest(folder: Path) -> _Manifest | None:
    file = folder / FILE
    if not file.is_file():
        if _of_a_build(folder):
            raise InputError(
                f"{folder}: the build in this folder has never come to its end (there is no {FILE}); run `instructkit "
                "build` for its recipe, or name another"
            )
        return None
    try:
        data = file.read_bytes()
        return msgspec.json.decode(data, type=_Manifest)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); see to its permissions") from error
    except msgspec.MsgspecError as error:
        # Other programs write a manifest.json too.
        if _of_a_build(folder) or (data.lstrip().startswith(b"{") and b'"instructkit"' in data[:100]):
            raise InputError(
                f"{file}: damaged, or of another version of instructkit ({error}); run `instructkit build` for its "
                "recipe again"
            ) from error
        return None


def _of_a_build(folder: Path) -> bool:
    """Whether a build was begun in a folder."""
    return (folder / LOG).is_file() and (folder.parent / STORE).is_dir()
