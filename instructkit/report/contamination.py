"""Rows of evaluations that a `decontaminate` step found: listed, and each record beside the row that it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import polars as pl

from instructkit.build.manifest import Build
from instructkit.errors import UsageFault
from instructkit.report.duplicates import Comparison, decided
from instructkit.report.lineage import place
from instructkit.schema import Origin
from instructkit.text.normalise import Ignorable
from instructkit.text.worddiff import word_diff

ROWS = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.Int64(),
        "id": pl.String(),
        "part": pl.String(),
        "score": pl.Float64(),
        "records": pl.List(pl.String()),
    }
)
"""A row of an evaluation: where it stands, what of it was found and how much at the most, and in which records."""

STAGE = "decontaminate"
MOST_RECORDS = 3
"""Records that are named beside a row."""


def contaminated_rows(build: Build, step: str) -> pl.DataFrame:
    """The rows of evaluations that a step found in records, as `ROWS`, in the order of files and rows.

    Passages count where nothing else of the row was found. Rows are those of either mode of the step. Raises UsageFault
    for a step that looks for none.
    """
    if build.step(step).stage != STAGE:
        those = [name for name, entry in build.manifest.steps.items() if entry.stage == STAGE]
        way = f"steps that do: {', '.join(those)}" if those else f"no step of this build does; {STAGE} is a stage"
        raise UsageFault(f"step '{step}' looks for no rows of evaluations ({way})")
    found = [pl.DataFrame(schema=ROWS)]
    for decision in _decisions(build, step):
        each = decision.select(pl.col("id").alias("record"), "evaluation_rows").explode("evaluation_rows")
        rows = each.unnest("evaluation_rows").with_columns(alone=pl.col("part") == "passage")
        rows = rows.sort("row", "alone", -pl.col("score"), "record")
        listed = rows.group_by("row", maintain_order=True).agg(
            pl.col("file", "line", "id", "part", "score").first(), records=pl.col("record").unique(maintain_order=True)
        )
        found.append(listed.select([pl.col(name).cast(dtype) for name, dtype in ROWS.items()]).collect())
    return pl.concat(found)


def contaminated_lines(build: Build, step: str, count: int) -> list[str]:
    """The first `count` rows of `contaminated_rows` as text; none where nothing was found."""
    rows = contaminated_rows(build, step)
    if rows.is_empty():
        return []
    records = rows["records"].explode(empty_as_null=False, keep_nulls=False).n_unique()
    files = rows.group_by("file", maintain_order=True).len()
    lines = [f"{rows.height:,} rows of evaluations stand in {records:,} records"]
    lines += [f"  {number:>7,}  {file}" for file, number in files.iter_rows()]
    lines.append("")
    for row in rows.head(count).iter_rows(named=True):
        named = f" '{row['id']}'" if row["id"] else ""
        shown = ", ".join(row["records"][:MOST_RECORDS])
        more = f" and {len(row['records']) - MOST_RECORDS:,} more" if len(row["records"]) > MOST_RECORDS else ""
        lines.append(f"{place(Origin(file=row['file'], line=row['line']))}{named}")
        lines.append(f"  {_said(row['part'])} ({row['score']:.4g}) in {shown}{more}")
    if rows.height > count:
        lines += ["", f"and {rows.height - count:,} more; --json lists all"]
    return lines


def beside_evaluation(build: Build, step: str, record_id: str) -> Comparison | None:
    """A record beside the row of an evaluation that it holds; None where a step found none in it."""
    fields = build.step(step).settings
    ignore = [name for name in get_args(Ignorable) if name in fields.get("ignore", ())]
    for decision in _decisions(build, step):
        for row in decision.filter(pl.col("id") == record_id).collect().iter_rows(named=True):
            origin = Origin(file=row["evaluation_file"], line=row["evaluation_line"])
            there = row["there"]
            return Comparison(
                step=step,
                dropped=record_id,
                other=row["evaluation_id"] or place(origin),
                role="evaluation",
                similarity=row["score"],
                origin=origin,
                of=row["part"],
                ignore=ignore,
                pieces=word_diff(row["here"], there, ignore) if there is not None else None,
                first_characters=max(len(row["here"]), len(there)) if row["cut"] else None,
            )
    return None


def _said(part: str) -> str:
    return {"both": "prompt and answer"}.get(part, part)


def _decisions(build: Build, step: str) -> Iterator[pl.LazyFrame]:
    for path in decided(build, step):
        decision = pl.scan_parquet(path, glob=False)
        if "evaluation_rows" in decision.collect_schema().names():
            yield decision
