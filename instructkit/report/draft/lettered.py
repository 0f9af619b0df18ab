"""Options that stand in columns of their own, as in exam questions: `question, A, B, C, D, answer`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from instructkit.report.draft.columns import Column

LETTERS = "ABCDEFGHIJ"
NAME = re.compile(r"(?P<kind>(?:option|opt|choice|选项)[ _]?)?(?P<letter>[a-jA-J])", re.IGNORECASE)
FEWEST = 3
TELLING = frozenset({"explanation", "explanations", "analysis", "解析", "解释", "分析"})
"""Words in names of columns that tell the answer."""


def lettered(columns: Sequence[Column]) -> list[Column]:
    """The columns of texts called A, B, C … (or option_a, option_b …) in that order; none where letters are missing."""
    found: dict[str, dict[str, Column]] = {}
    for column in columns:
        match = NAME.fullmatch(column.root)
        if match and not column.nested and column.kind == "string":
            found.setdefault((match["kind"] or "").lower(), {})[match["letter"].upper()] = column
    for named in found.values():
        if len(named) >= FEWEST and sorted(named) == list(LETTERS[: len(named)]):
            return [named[letter] for letter in sorted(named)]
    return []


def names_one(column: Column, options: Sequence[Column]) -> bool:
    """Whether a column's values are the letters of the options."""
    return column.kind == "string" and bool(column.values) and set(column.values) <= set(LETTERS[: len(options)])
