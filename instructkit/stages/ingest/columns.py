"""Which columns of a record mean what: the text, the key, the language, and the fields that travel along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from instructkit.errors import did_you_mean

MISSING = object()
"""What a record without the column gives; None is a null that the record holds."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that a recipe names. A name is a column, or a dotted path into nested objects: `meta.author`."""

    text: str
    fields: tuple[str, ...] | None = None
    key: str | None = None
    language: str | None = None

    def named(self) -> list[str] | None:
        """Top-level columns that are needed at all; None for every one."""
        if self.fields is None:
            return None
        return [name for name in (self.text, *self.fields, self.key, self.language) if name is not None]

    def picked(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record's fields: the listed ones at the places where they lie, or everything but the text."""
        if self.fields is None:
            return without(record, self.text)
        result: dict[str, Any] = {}
        for path in self.fields:
            value = pick(record, path)
            if value is not MISSING:
                _place(result, [path] if path in record else path.split("."), value)
        return result


def pick(record: dict[str, Any], path: str) -> Any:
    """The value of a column or dotted path; MISSING where the record has none. A column of that very name wins."""
    if path in record:
        return record[path]
    value: Any = record
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def without(record: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of the record without one column or dotted path."""
    if path in record:
        return {name: value for name, value in record.items() if name != path}
    first, _, rest = path.partition(".")
    if rest and isinstance(record.get(first), dict):
        return {**record, first: without(record[first], rest)}
    return record


def _place(target: dict[str, Any], steps: list[str], value: Any) -> None:
    *above, last = steps
    for step in above:
        target = target.setdefault(step, {})
    target[last] = value


def paths(record: dict[str, Any], above: str = "") -> list[str]:
    """The columns of a record, nested ones as dotted paths."""
    result = []
    for name, value in record.items():
        result.append(above + name)
        if isinstance(value, dict):
            result += paths(value, f"{above}{name}.")
    return result


def not_found(what: str, name: str, known: Iterable[str]) -> str:
    """`no record has the column 'x' that `text` names; did you mean 'y'? Columns found: ...`."""
    there = sorted(known)
    found = ", ".join(there[:50]) + (f" and {len(there) - 50} more" if len(there) > 50 else "")
    hint = did_you_mean(name, there)
    return f"no record has the column '{name}' that `{what}` names{hint} (columns found: {found or 'none'})"
