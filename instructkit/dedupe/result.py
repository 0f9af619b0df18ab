"""What a run found, as figures and as lines for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LargeCluster:
    """One of the largest clusters."""

    rows: int
    file: str
    """Of the row that was kept."""
    line: int


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file that was written."""

    file: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Deduped:
    """What a run found: rows = kept + copies + near_duplicates."""

    rows: int
    without_text: int
    """Kept without being compared."""
    files_without_text: list[str]
    """Inputs with rows, none of which has a text."""
    kept: int
    copies: int
    """Dropped: equal to another once case, punctuation and white space are left out."""
    near_duplicates: int
    """Dropped: others."""
    clusters: int
    largest: list[LargeCluster]
    """At most three."""
    verified: int
    """Pairs that were compared shingle by shingle."""
    threshold: float
    bands: int
    rows_per_band: int
    recall: float
    """Probability that a pair exactly at the threshold is compared."""
    seconds: float
    written: list[Written]
    clusters_file: str | None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def result_lines(result: Deduped) -> list[str]:
    """For people, a dozen lines at most."""
    dropped = result.copies + result.near_duplicates
    share = f" ({dropped / result.rows:.1%})" if result.rows else ""
    lines = [
        f"read     {result.rows:>13,} rows"
        + (f", {result.without_text:,} without text" if result.without_text else ""),
        f"dropped  {dropped:>13,}{share}: {_count(result.copies, 'copy', 'copies')}, "
        + _count(result.near_duplicates, "near-duplicate", "near-duplicates"),
        f"kept     {result.kept:>13,}",
        f"clusters {result.clusters:>13,}"
        + "".join(
            f"{':' if i == 0 else ';'} {each.rows:,} rows like {each.file}:{each.line}"
            for i, each in enumerate(result.largest)
        ),
        f"verified {result.verified:>13,} pairs; {result.bands} bands of {result.rows_per_band} rows find a pair of "
        f"similarity {result.threshold:g} with probability {result.recall:.3f}",
        f"took     {result.seconds:>13,.1f} s",
    ]
    shown = result.written[:10]
    lines += [f"wrote    {each.file}" + (f": {each.rows:,} rows" if len(result.written) > 1 else "") for each in shown]
    if len(result.written) > len(shown):
        lines.append(f"         and {len(result.written) - len(shown):,} more")
    if result.clusters_file:
        lines.append(f"wrote    {result.clusters_file}: who was dropped, and for whom")
    lines += [f"note: no row of {file} has a text, so all of them were kept" for file in result.files_without_text]
    return lines


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
