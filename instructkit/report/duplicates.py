"""A record that was dropped as a duplicate, beside the records that it repeats, as the step saw them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import polars as pl

from instructkit.build.manifest import Build
from instructkit.report.lineage import location, place, steps_with
from instructkit.schema import Origin
from instructkit.text.normalise import Ignorable
from instructkit.text.view import view
from instructkit.text.worddiff import Piece, word_diff


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a dedupe step decided about a record that it dropped."""

    survivor: str
    """Who was kept in its place."""
    nearest: str
    """Whom it is most like. Another one than the survivor where a chain of likeness leads there."""
    similarity: float | None = None
    """To the nearest; None where the step measures none."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A dropped record beside another one."""

    step: str
    dropped: str
    """The record's id. Where a step only reports what it found in evaluations, it was not dropped."""
    other: str
    """The other record's id; of a dataset's row its own, or else file and line."""
    role: Literal["nearest", "kept", "nearest and kept", "reference", "evaluation"]
    """What the other one is to the dropped one. `reference`: a row of the datasets that the step compares with.
    `evaluation`: a row of an evaluation that stands in the record, whose texts are then the parts that were found."""
    similarity: float | None
    """As the step measured it; only of the nearest."""
    source: str | None = None
    origin: Origin | None = None
    location: list[str] = []
    of: str
    """The text that was compared: `all`, `prompt` or `response`; of a row of an evaluation what of it was found."""
    ignore: list[Ignorable]
    """Differences that did not count."""
    pieces: list[Piece] | None
    """`old`: the dropped text, `new`: the other one. None when the step's rows, or its decision, do not hold it."""
    first_characters: int | None = None
    """Of both texts only so many are compared here, where the step has kept no more of the other one."""


def verdict(build: Build, step: str, record_id: str) -> Verdict | None:
    """What a step decided about a record; None for a record it kept, and for a step that looks for no duplicates."""
    for decision in _decisions(build, step):
        rows = decision.filter(pl.col("id") == record_id, pl.col("survivor").is_not_null()).collect()
        for row in rows.iter_rows(named=True):
            nearest = row.get("nearest") or row["survivor"]
            return Verdict(survivor=row["survivor"], nearest=nearest, similarity=row.get("similarity"))
    return None


def clusters(build: Build, step: str) -> pl.DataFrame:
    """The records of a step's clusters of duplicates: id, cluster (who comes first of it), survivor (null for who
    stays), nearest, similarity; the largest clusters first, in each those that stay, then by id. Empty for a step that
    looks for none.
    """
    columns = ["id", "cluster", "survivor", "nearest", "similarity"]
    found = [
        decision.filter(pl.col("cluster").is_not_null()).select(columns)
        for decision in _decisions(build, step)
        if set(columns) <= set(decision.collect_schema().names())
    ]
    if not found:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
    size = pl.len().over("cluster")
    goes = pl.col("survivor").is_not_null()
    return pl.concat(found).sort(size, "cluster", goes, "id", descending=[True, False, False, False]).collect()


def origins(build: Build, step: str, ids: list[str]) -> dict[str, Origin]:
    """Where records that a step read come from, by id."""
    rows = pl.concat([build.rows(name) for name in build.step(step).upstream]).filter(pl.col("id").is_in(ids))
    table = rows.select("id", "origin").collect()
    return {row["id"]: msgspec.convert(row["origin"], Origin) for row in table.iter_rows(named=True)}


def _decisions(build: Build, step: str) -> Iterator[pl.LazyFrame]:
    """The tables of a step that say which record goes for which."""
    for path in decided(build, step):
        decision = pl.scan_parquet(path, glob=False)
        if {"id", "survivor"} <= set(decision.collect_schema().names()):
            yield decision


def _reference_row(build: Build, step: str, record_id: str) -> dict[str, Any] | None:
    """What `dedupe.against` decided about a record that it dropped; None for others, and for other stages."""
    for path in decided(build, step):
        decision = pl.scan_parquet(path, glob=False)
        if "reference_file" in decision.collect_schema().names():
            for row in decision.filter(pl.col("id") == record_id).collect().iter_rows(named=True):
                return row
    return None


def decided(build: Build, step: str) -> list[Path]:
    """The files that hold what a corpus step decided."""
    calls = [call for run in build.step(step).runs for call in run.calls if call.verb == "decide"]
    return build.store.paths([ref for call in calls for ref in call.kept])


def comparisons(build: Build, step: str, record_id: str) -> list[Comparison]:
    """A record that a step dropped, beside its nearest and then its survivor where that is another one.

    Empty for a step that looks for no duplicates. Texts are the rows that the step read, whatever became of them.
    """
    row = _reference_row(build, step, record_id)
    if row is not None:
        return [_beside_reference(build, step, row)]
    found = verdict(build, step, record_id)
    if found is None:
        return []
    entry = build.step(step)
    of, ignore = _settings(build, step)
    rows = _rows(build, entry.upstream, [record_id, found.nearest, found.survivor], of)
    said = []
    for other in dict.fromkeys([found.nearest, found.survivor]):
        there = {record_id, other} <= rows.keys()
        read = steps_with(build, other, *build.upstream(*entry.upstream)) if there else []
        said.append(
            Comparison(
                step=step,
                dropped=record_id,
                other=other,
                role=_role(other, found),
                similarity=found.similarity if other == found.nearest else None,
                source=rows[other].source if there else None,
                origin=rows[other].origin if there else None,
                location=location(build, read[0]) if read else [],
                of=of,
                ignore=ignore,
                pieces=word_diff(rows[record_id].text, rows[other].text, ignore) if there else None,
            )
        )
    return said


def _beside_reference(build: Build, step: str, row: dict[str, Any]) -> Comparison:
    """A record that `dedupe.against` dropped, beside the row of a dataset: the decision holds the row's beginning."""
    entry = build.step(step)
    of, ignore = _settings(build, step)
    record_id, theirs = row["id"], row["reference_text"]
    origin = Origin(file=row["reference_file"], line=row["reference_line"])
    pieces, cut = None, None
    if theirs is not None:
        cut = len(theirs) if len(theirs) < row["reference_characters"] else None
        ours = _rows(build, entry.upstream, [record_id], of)[record_id].text
        pieces = word_diff(ours[:cut], theirs, ignore)
    return Comparison(
        step=step,
        dropped=record_id,
        other=row["reference_id"] or place(origin),
        role="reference",
        similarity=row["similarity"],
        origin=origin,
        of=of,
        ignore=ignore,
        pieces=pieces,
        first_characters=cut,
    )


def _settings(build: Build, step: str) -> tuple[str, list[Ignorable]]:
    """Which text a step compared, and the differences that did not count."""
    fields = build.step(step).settings
    return fields.get("of", "all"), [name for name in get_args(Ignorable) if name in fields.get("ignore", ())]


class _Row(msgspec.Struct, frozen=True):
    id: str
    source: str
    origin: Origin
    text: str


def _rows(build: Build, steps: list[str], ids: list[str], of: str) -> dict[str, _Row]:
    """Rows with the text that `of` names, by id."""
    rows = pl.concat([build.rows(name) for name in steps]).filter(pl.col("id").is_in(ids))
    table = rows.select("id", "source", "origin", text=view(rows, of)).collect()  # type: ignore[arg-type]
    return {row["id"]: msgspec.convert(row, _Row) for row in table.iter_rows(named=True)}


def _role(other: str, found: Verdict) -> Literal["nearest", "kept", "nearest and kept"]:
    if found.nearest == found.survivor:
        return "nearest and kept"
    return "nearest" if other == found.nearest else "kept"
