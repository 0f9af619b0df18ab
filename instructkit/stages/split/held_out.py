"""Rows that are held out: no value that a pattern names reaches training or validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import polars as pl

from instructkit.errors import StageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """What only the test split may have. Globs: `qa/*` is every template of that folder. A value equal to the pattern
    matches too, whatever signs it has.
    """

    task: tuple[str, ...] = ()
    """Tasks of examples."""
    template: tuple[str, ...] = ()
    """Templates of examples, by name."""
    source: tuple[str, ...] = ()
    """Sources."""
    language: tuple[str, ...] = ()
    """Languages, as ISO 639-1 codes."""

    def columns(self) -> dict[str, Sequence[str]]:
        """The columns that patterns are given for, and these."""
        every = {"task": self.task, "template": self.template, "source": self.source, "language": self.language}
        return {column: patterns for column, patterns in every.items() if patterns}


def held(rows: pl.DataFrame, held_out: HoldOut) -> pl.DataFrame:
    """The rows with `held`, the value that holds a row out (`task nli`), and `pattern`; both null for the others.

    Raises StageError for a pattern that matches no value, with the closest one.
    """
    values, patterns = [pl.lit(None, dtype=pl.String)], [pl.lit(None, dtype=pl.String)]
    for column, given in held_out.columns().items():
        known = rows[column].drop_nulls().unique().sort().to_list()
        found: dict[str, str] = {}
        for pattern in given:
            matches = [value for value in known if value == pattern or fnmatchcase(value, pattern)]
            if not matches and rows.height:
                shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
                raise StageError(
                    f"hold_out: no row has a {column} that matches '{pattern}'{did_you_mean(pattern, known)} "
                    f"({column}s: {shown or 'none'})"
                )
            found = {**dict.fromkeys(matches, pattern), **found}
        pattern_of = pl.col(column).replace_strict(found, default=None, return_dtype=pl.String)
        patterns.append(pattern_of)
        values.append(pl.when(pattern_of.is_not_null()).then(pl.lit(f"{column} ") + pl.col(column)))
    return rows.with_columns(held=pl.coalesce(values), pattern=pl.coalesce(patterns))
