"""What checks mark, row by row, and what is said of it in the end.

check(frame) ──▶ marks (row, rule, said) ──▶ Tally ──▶ Finding (count, share, first rows)
"""

from __future__ import annotations

import msgspec
import polars as pl

from instructkit.audit.blocks import Blocks
from instructkit.audit.checks import CHECKS, SEVERITIES, Severity

MARKS = pl.Schema({"row": pl.UInt32(), "rule": pl.String(), "said": pl.String()})
"""Rows that a check has something to say about: which, by what rule of it, and the words that show it."""
NO_MARKS = pl.DataFrame(schema=MARKS)
EVIDENCE_CHARACTERS = 120


class NamedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that a finding names."""

    file: str
    line: int | None
    id: str | None = None
    split: str | None = None
    rule: str
    said: str | None = None
    """What shows it, in few words."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check has found."""

    check: str
    severity: Severity
    title: str
    finds: str
    """What the check looks for."""
    why: str
    """Why that matters, and what does not count."""
    count: int
    """Rows."""
    share: float
    """Of all rows."""
    rules: dict[str, int]
    """Rows by rule, most first; they add up to `count`."""
    rows: list[NamedRow]
    """The first ones of each rule, the most frequent rule first."""


class Tally:
    """The marks of all checks; a row counts once a check, by the rule that marked it first. 16 bytes a mark."""

    def __init__(self, named: int) -> None:
        """`named`: rows of each rule whose words are kept."""
        self.named = named
        self._marks: dict[str, list[pl.DataFrame]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, check: str, marks: pl.DataFrame) -> None:
        """Marks of a check; those of one rule come in the order of their rows. The first mark of a row counts."""
        for (rule,), some in marks.group_by("rule", maintain_order=True):
            known = self._counts.get((check, str(rule)), 0)
            self._counts[check, str(rule)] = known + some.height
            named = pl.int_range(pl.len()) < self.named - known
            kept = some.select(
                "row", pl.col("rule").cast(pl.Categorical), said=pl.when(named).then(pl.col("said").str.strip_chars())
            )
            self._marks.setdefault(check, []).append(kept)

    def of(self, check: str) -> pl.DataFrame:
        """The marks of a check by row, each row once."""
        found = self._marks.get(check)
        if found is None:
            return NO_MARKS
        marks = pl.concat(found).with_columns(pl.col("rule").cast(pl.String))
        return marks.unique("row", keep="first", maintain_order=True).sort("row")

    def checks(self) -> list[str]:
        """Those that have marked something."""
        return list(self._marks)

    def rows_with(self) -> dict[str, int]:
        """Rows with an error; with a warning, but no error; with notes only."""
        seen = pl.Series("row", dtype=pl.UInt32)
        counts: dict[str, int] = {}
        for severity in SEVERITIES:
            rows = [self.of(check)["row"] for check in self._marks if CHECKS[check].severity == severity]
            before, seen = len(seen), pl.concat([seen, *rows]).unique()
            counts[severity] = len(seen) - before
        return counts


def findings_of(tally: Tally, disk: Blocks) -> list[Finding]:
    """All that was marked, the worst first: by severity, then by rows."""
    found = [_finding(check, tally.of(check), tally.named, disk) for check in tally.checks()]
    return sorted(found, key=lambda each: (SEVERITIES.index(each.severity), -each.count, each.check))


def _finding(check: str, marks: pl.DataFrame, named: int, disk: Blocks) -> Finding:
    # Rules are mixed in what a row was marked by first, but each rule's first rows are the ones with words.
    first = marks.filter(pl.int_range(pl.len()).over("rule") < named)
    places = disk.some(first["row"].to_list(), "file", "line", "id", "split")
    rules = dict(marks["rule"].value_counts().sort("count", "rule", descending=[True, False]).rows())
    rank = pl.col("rule").replace_strict(list(rules), range(len(rules)), return_dtype=pl.Int64)
    named_rows = first.sort(rank, "row").join(places, on="row", maintain_order="left").drop("row")
    return Finding(
        check=check,
        severity=CHECKS[check].severity,
        title=CHECKS[check].title,
        finds=CHECKS[check].finds,
        why=CHECKS[check].why,
        count=marks.height,
        share=marks.height / disk.rows,
        rules=rules,
        rows=[NamedRow(**row) for row in named_rows.to_dicts()],
    )


def file_line() -> pl.Expr:
    """Where a row stands, of its `file` and `line`; the file alone where that is one row."""
    return pl.when(pl.col("line").is_null()).then("file").otherwise(pl.format("{}:{}", "file", "line"))


def excerpt(text: pl.Expr, *, end: bool = False) -> pl.Expr:
    """The first words of a text on one line, or the last ones."""
    plain = text.str.replace_all(r"\s+", " ").str.strip_chars()
    cut = plain.str.tail(EVIDENCE_CHARACTERS) if end else plain.str.head(EVIDENCE_CHARACTERS)
    short = plain.str.len_chars() <= EVIDENCE_CHARACTERS
    return pl.when(short).then(plain).otherwise(pl.lit("…") + cut if end else cut + "…")
