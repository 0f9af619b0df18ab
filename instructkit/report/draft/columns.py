"""The columns of some records: types, gaps, lengths, values; nested ones by the expression that a template reads.

{"question": "…", "answers": [{"text": "…"}], "meta": {"stars": 4}, "tags": ["a"]}
question   answers[0].text   meta.stars   tags
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from instructkit.hashing import canonical_json
from instructkit.templates.direct import is_missing

Kind = Literal["string", "integer", "number", "boolean", "list", "object"]
Script = Literal["Latin", "Chinese", "Japanese", "Korean", "other"]

MOST_VALUES = 100
"""Different values up to which they are counted one by one."""
DEPTH = 3
NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
TAKEN = frozenset(dir(dict))
"""Names that mean something else behind a dot."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, or a place inside of one that holds values."""

    expression: str
    """How a template reads it: `title`, `answers[0].text`, `row["Full Name"]`; begins with the column's name."""
    root: str
    """The column."""
    name: str
    """The last name of the expression."""
    kind: Kind | None
    """Type of its values as a template's input; None where they differ."""
    missing: float
    """Share of records without it, or with an empty value."""
    length: int
    """Characters in the middle (median), of texts."""
    values: dict[str, int]
    """Texts, numbers and truth values with their counts, the most frequent first; empty where there are too many."""
    distinct: int
    """Different values."""
    spaced: float
    """Share of texts that have a space, or are of a script without: prose, no keys."""
    script: Script
    lines: float
    """Share of texts of more than one line."""
    sentences: float
    """Share of texts of one line with more than one sentence, or of several lines."""

    @property
    def nested(self) -> bool:
        """Whether it lies inside of a column."""
        return self.expression != self.root


def columns_of(records: Sequence[dict[str, Any]]) -> list[Column]:
    """The columns of records, in the order met; behind a column the places inside of it."""
    names = list(dict.fromkeys(name for record in records for name in record))
    found = []
    for name in names:
        found += list(_places(name, name, name, [record.get(name) for record in records], len(records), DEPTH))
    return found


def _places(expression: str, root: str, name: str, values: list[Any], records: int, depth: int) -> Iterator[Column]:
    present = [value for value in values if not is_missing(value, empty=False)]
    yield _column(expression, root, name, present, records)
    if not depth or not present:
        return
    if all(isinstance(value, dict) for value in present):
        for key in dict.fromkeys(key for value in present for key in value):
            below = f"{expression}.{key}" if NAME.match(key) and key not in TAKEN else f'{expression}["{key}"]'
            if '"' not in key and "\\" not in key and "\n" not in key:
                yield from _places(below, root, key, [value.get(key) for value in present], records, depth - 1)
    elif all(isinstance(value, list) for value in present) and all(isinstance(v[0], dict | str) for v in present):
        yield from _places(f"{expression}[0]", root, name, [value[0] for value in present], records, depth - 1)


def _column(expression: str, root: str, name: str, present: list[Any], records: int) -> Column:
    kinds = {kind_of(value) for value in present}
    kind: Kind | None = kinds.pop() if len(kinds) == 1 else "number" if kinds == {"integer", "number"} else None
    texts = [value for value in present if isinstance(value, str)]
    scalar = kind in ("string", "integer", "number", "boolean")
    seen = Counter(_shown(value) for value in present) if scalar else Counter(map(canonical_json, present))
    return Column(
        expression=expression,
        root=root,
        name=name,
        kind=kind,
        missing=1 - len(present) / records if records else 1.0,
        length=round(median(map(len, texts))) if texts else 0,
        values=dict(seen.most_common()) if scalar and len(seen) <= MOST_VALUES else {},
        distinct=len(seen),
        spaced=sum(" " in text.strip() or not text.isascii() for text in texts) / len(texts) if texts else 0.0,
        script=script_of(texts),
        lines=_share(texts, r"\S\s*\n\s*\S"),
        sentences=_share(texts, r"\S\s*\n\s*\S|\. +\S|。\s*\S"),
    )


def _share(texts: Sequence[str], pattern: str) -> float:
    found = sum(re.search(pattern, text) is not None for text in texts)
    return found / len(texts) if texts else 0.0


def _shown(value: Any) -> str:
    return str(value) if not isinstance(value, bool) else "true" if value else "false"


def kind_of(value: Any) -> Kind:
    """The type of a value, in the words of a template's front matter."""
    kinds: dict[type, Kind] = {
        bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object",
    }  # fmt: skip
    return kinds[type(value)]


def script_of(texts: Sequence[str]) -> Script:
    """The script that most letters of some texts are of; Chinese characters among kana are Japanese."""
    count: Counter[Script] = Counter()
    kana = 0
    for text in texts[:500]:
        for char in text[:2_000]:
            if char.isascii():
                count["Latin"] += char.isalpha()
            elif "\u3040" <= char <= "\u30ff":
                kana += 1
            elif "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf":
                count["Chinese"] += 3  # one character says as much as some letters
            elif "\uac00" <= char <= "\ud7a3":
                count["Korean"] += 3
            elif char.isalpha():
                count["Latin" if char < "\u0250" else "other"] += 1
    if kana * 10 > count["Chinese"]:
        count["Japanese"] = 3 * kana + count.pop("Chinese", 0)
    return max(count, key=lambda name: count[name]) if count.total() else "Latin"
