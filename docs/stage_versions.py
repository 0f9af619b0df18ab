"""Which source each version of a stage was recorded with.

A stage's `version` is part of the key of its calls: code that gives other rows under the same version would let a build
mix old rows with new ones. So the record holds, for each stage, its version beside a hash of its source, and of all
that the source imports from the folders below. Comments, docstrings and layout do not count: they change no row.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from instructkit.build.keys import FORMAT
from instructkit.hashing import key_of
from instructkit.stages.table import STAGES

ROOT = Path(__file__).resolve().parent.parent
RECORD = "tests/house/stage_versions.json"
FOLLOWED = (
    "instructkit.stages.",
    "instructkit.text.",
    "instructkit.templates.",
    "instructkit.minhash.",
    "instructkit.contamination.",
)
"""Packages whose modules make a stage's rows."""
EVERY_STAGE = (
    "instructkit.hashing",
    "instructkit.schema",
    "instructkit.store.shards",
    "instructkit.build.keys",
    "instructkit.build.call",
)
"""What all rows and keys rest on; its version is `FORMAT` in build/keys.py, which is part of every key."""

Record = dict[str, dict[str, Any]]


def stage_versions() -> Record:
    """Stage → the version of each class behind it, what it unfolds into among them, and a hash of their source."""
    record: Record = {
        "(all stages)": {"version": {"FORMAT": FORMAT}, "source": source_hash(_path(m) for m in EVERY_STAGE)}
    }
    for name, place in STAGES.items():
        module = place.partition(":")[0]
        behind = closure(module)
        # A stage that has a folder of its own name unfolds into classes of that folder.
        own = [m for m in behind if m == module or m.startswith(f"instructkit.stages.{name}.")]
        declared = {cls: version for m in own for cls, version in versions(_path(m)).items()}
        record[name] = {"version": declared, "source": source_hash(map(_path, behind))}
    return record


def versions_text(record: Record) -> str:
    """The record as it is committed."""
    return json.dumps(record, indent=1) + "\n"


def changed_without_a_version(root: Path) -> list[str]:
    """A message for each recorded stage whose source is another one while its version is the same."""
    path = root / RECORD
    recorded: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return compare(recorded, stage_versions())


def compare(recorded: Record, found: Record) -> list[str]:
    """A message for each stage of both records whose source differs and whose version does not."""
    return [
        f"{name}: source changed, version did not ({_said(found[name]['version'])}): "
        "raise `version` if the output for the same input changed; then run `make docs`"
        for name in recorded
        if name in found
        and recorded[name]["source"] != found[name]["source"]
        and recorded[name]["version"] == found[name]["version"]
    ]


def _said(version: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in version.items())


def versions(path: Path) -> dict[str, int]:
    """Class → version, of each class of a file that declares one."""
    return {
        cls.name: ast.literal_eval(line.value)
        for cls in _tree(path).body
        if isinstance(cls, ast.ClassDef)
        for line in cls.body
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "version" and line.value is not None
    }


def closure(module: str) -> list[str]:
    """A module and all it imports from `FOLLOWED`, directly or not, sorted."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += [found for found in imports(_path(name)) if found.startswith(FOLLOWED)]
    return sorted(seen)


def imports(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, at its top or inside functions."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.startswith("instructkit") and _path(name).is_file())


def source_hash(paths: Iterable[Path]) -> str:
    """Hash of what files say, comments, docstrings and layout apart; the same under every Python from 3.11 on."""
    return key_of([[path.relative_to(ROOT).as_posix(), _plain(_tree(path))] for path in paths])


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _plain(node: Any) -> Any:
    """A syntax tree as lists and texts.

    Not `ast.dump`, whose text differs between versions of Python: fields that are empty are left out here, so a field
    that only a later Python knows does not count until it is used. Python 3.12 ends a nested format specification with
    an empty text; those do not count either.
    """
    if isinstance(node, list):
        return [_plain(child) for child in node if not _is_bare_text(child)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):
        node = ast.JoinedStr([v for v in node.values if not isinstance(v, ast.Constant) or v.value])
    fields = [[name, _plain(value)] for name, value in ast.iter_fields(node) if value is not None and value != []]
    return [type(node).__name__, *fields]


def _is_bare_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _path(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")
