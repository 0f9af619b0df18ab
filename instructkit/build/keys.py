"""Keys: what a call's result depends on, and nothing else.

Never a pickled closure, a time, an absolute path, a step's name or a number of workers. The same call under the same
key gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from instructkit.build.call import Call, Verb, dump_fields
from instructkit.build.manifest import InputEntry
from instructkit.errors import InputError, InstructkitError
from instructkit.hashing import key_of, path_digest
from instructkit.recipe.fields import field_hints, names_cache, names_input
from instructkit.recipe.steps import stage_fields
from instructkit.schema import Noun
from instructkit.stages.contract import HERE, IngestStage, Part
from instructkit.store.store import ShardRef

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FORMAT = 1
"""Raised when the meaning of a key or the layout of a shard changes."""


@cache
def package_version(name: str) -> str:
    """Version of an installed distribution, "absent" when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


class KeyedStage:
    """A stage that runs in a step, with what its calls are keyed by."""

    def __init__(self, step: str, stage_name: str, stage: Any, root: Path) -> None:
        self.step = step
        self.stage = stage
        self.stage_name = stage_name
        self.path = f"{type(stage).__module__}:{type(stage).__qualname__}"
        # Python brings the tables of Unicode that lower-casing, patterns and normalising go by.
        self.packages = {"python": PYTHON} | {
            name: package_version(name) for name in ("polars", *getattr(stage, "packages", ()))
        }
        try:
            run, keyed = _resolve(stage, root)
        except InstructkitError as error:
            raise error.at(f"step '{step}'") from error
        self.fields = dump_fields(run)
        self.keyed_fields: dict[str, Any] = msgspec.json.decode(dump_fields(keyed))

    @property
    def identity(self) -> dict[str, Any]:
        """What every call of this stage is keyed by."""
        return {
            "format": FORMAT,
            "stage": self.stage_name,
            "class": type(self.stage).__qualname__,
            "version": self.stage.version,
            "packages": self.packages,
            "fields": self.keyed_fields,
        }

    def call(
        self,
        verb: Verb,
        where: str,
        *,
        shards: Sequence[ShardRef] = (),
        records: Sequence[ShardRef] = (),
        decision: ShardRef | None = None,
        part: Part | None = None,
        noun: Noun | None = None,
        same_ids: bool = False,
    ) -> Call:
        """A call of the stage, keyed."""
        # A cut depends on the decision and the shard alone: any stage that decided the same may share it.
        identity = {"format": FORMAT} if verb == "cut" else self.identity
        key = key_of(
            [
                verb,
                identity,
                [ref.digest for ref in shards],
                [ref.digest for ref in records],
                decision.digest if decision else None,
                part_identity(part) if part else None,
            ]
        )
        return Call(
            key=key,
            verb=verb,
            step=self.step,
            where=where,
            stage=self.path,
            fields=self.fields,
            noun=noun.__name__ if noun else None,
            same_ids=same_ids,
            part=part,
            shards=list(shards),
            records=list(records),
            decision=decision,
        )


def part_identity(part: Part) -> list[Any]:
    """What tells a part from every other: names and contents of its files, never where they lie."""
    return [
        [[file.name, file.digest, file.start, file.first_line] for file in part.files],
        sorted(part.options),
        # A part without files is told apart by its options and name alone.
        None if part.files else part.name,
    ]


def _resolve(stage: Any, root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields to run with (paths absolute) and fields to key by (paths replaced by their content)."""
    run, keyed = stage_fields(stage), stage_fields(stage)
    own = stage.keyed_inputs(root) if hasattr(stage, "keyed_inputs") else {}
    for name, hint in field_hints(type(stage)).items():
        if names_cache(hint):
            del keyed[name]
            if run[name] is not None and "://" not in run[name]:
                run[name] = str(root / Path(run[name]).expanduser())
        if not names_input(hint) or run[name] is None:
            continue
        if isinstance(stage, IngestStage):
            # An ingest's parts carry the names and contents of its files.
            del keyed[name]
            continue
        several = isinstance(run[name], list | tuple)
        paths = run[name] if several else [run[name]]
        if name in own:
            keyed[name] = own[name]
            found = [_placed(path, root) for path in paths]
        else:
            absolute = [root / Path(path).expanduser() for path in paths]
            if missing := next((path for path in absolute if not path.exists()), None):
                raise InputError(f"{name}: {missing}: no such file or folder")
            keyed[name] = [path_digest(path) for path in absolute]
            found = [str(path) for path in absolute]
        run[name] = found if several else found[0]
    return run, keyed


def located(stage: Any, root: Path) -> Any:
    """The stage with its input paths put together for `project_path`, to be asked in this process, from any folder."""
    placed: dict[str, Any] = {}
    for name, hint in field_hints(type(stage)).items():
        value = getattr(stage, name)
        if names_input(hint) and value is not None and not isinstance(stage, IngestStage):
            several = isinstance(value, list | tuple)
            found = [_placed(path, root) for path in (value if several else [value])]
            placed[name] = found if several else found[0]
    return dataclasses.replace(stage, **placed) if placed else stage


def _placed(path: Any, root: Path) -> Any:
    # Where a path stands beside what is to be done with its file, the field holds objects.
    if not isinstance(path, str):
        return dataclasses.replace(path, path=_placed(path.path, root))
    # An absolute path in its plain form, since it may hold a HERE of its own.
    return str(Path(path)) if _is_absolute(path) else f"{root}{HERE}{path}"


def _is_absolute(path: str) -> bool:
    return Path(path).is_absolute() or path.startswith("~")


def input_entries(parts: Sequence[Part]) -> list[InputEntry]:
    """The files of an ingest, or the parts of a source that is no file, with their content."""
    entries = [
        InputEntry(name=file.name if file.end is None else f"{file.name} from byte {file.start}", digest=file.digest)
        for part in parts
        for file in part.files
    ]
    entries += [InputEntry(name=part.name, digest=key_of(part_identity(part))) for part in parts if not part.files]
    return sorted(entries, key=lambda entry: entry.name)


def location_of(stage: Any) -> list[str]:
    """Where an ingest's source lies, in the recipe's words: its path, folder, hub name or modules."""
    named: list[str] = []
    for field in ("path", "folder", "modules"):
        value = getattr(stage, field, None)
        if value is not None:
            named += value if isinstance(value, list | tuple) else [value]
    return named
