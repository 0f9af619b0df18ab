"""Where the records of an earlier build stood: what `previous` names, as id, group and split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from instructkit.errors import InputError, did_you_mean
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.blocks import lines
from instructkit.stages.ingest.columns import not_found
from instructkit.stages.ingest.json_line import NotRecordError, parse_object
from instructkit.stages.ingest.parts import LINE_SPACE
from instructkit.stages.split.sizes import SPLITS
from instructkit.store.builds import is_build, split_steps, step_shards
from instructkit.store.shards import scan_shards

STOOD = pl.Schema({"id": pl.String(), "group": pl.String(), "split": pl.String()})
"""`group` is null where a file does not tell it."""
LONGEST_LINE_BYTES = 1 << 30


def stood(given: str, root: Path, step: str | None) -> pl.DataFrame:
    """The rows of the earlier build or file at `given`, relative to `root`, as `STOOD`, sorted by id.

    Raises InputError where nothing is there, it tells no splits, or it divides a group or an id itself.
    """
    place = root / Path(given).expanduser()
    if not place.exists():
        raise InputError(
            f"previous: {given}: no such file or folder. Build once without `previous`; the build's folder can be "
            "named from then on"
        )
    if place.is_dir():
        rows = _of_build(place, given, step)
    elif step is not None:
        raise InputError(f"previous: {given}: `step: {step}` needs the folder of a build here")
    else:
        rows = _of_parquet(place, given) if _is_parquet(place) else _of_lines(place, given)
    rows = rows.drop_nulls("split").unique().sort("id", "split")
    other = rows.filter(~pl.col("split").is_in(SPLITS))
    if other.height:
        raise InputError(
            f"previous: {given}: '{other['id'][0]}' has the split '{other['split'][0]}', expected {', '.join(SPLITS)}"
        )
    for column in ("id", "group"):
        _refuse_divided(rows.drop_nulls(column), column, given)
    return rows


def _of_build(folder: Path, given: str, step: str | None) -> pl.DataFrame:
    try:
        built = is_build(folder)
    except InputError as error:
        raise InputError(f"previous: {error}. Where it is this recipe's own, build once without `previous`") from error
    if not built:
        raise InputError(f"previous: {given}: this folder is no build (it has no manifest.json); name a build's folder")
    names = split_steps(folder)
    if not names:
        raise InputError(f"previous: {given}: this build has no split step")
    if step is None and len(names) > 1:
        raise InputError(
            f"previous: {given}: this build has several split steps ({', '.join(names)}); name one by `step`"
        )
    if step is not None and step not in names:
        raise InputError(
            f"previous: {given}: no split step '{step}'{did_you_mean(step, names)} (split steps: {', '.join(names)})"
        )
    _, shards = step_shards(folder, step or names[0])
    return scan_shards([path for path, _ in shards], STOOD).select(STOOD.names()).collect()


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _of_parquet(path: Path, given: str) -> pl.DataFrame:
    rows = pl.scan_parquet(path, glob=False)
    there = rows.collect_schema().names()
    for name in ("id", "split"):
        if name not in there:
            raise InputError(f"previous: {given}: {not_found('previous', name, there)}")
    group = pl.col("group") if "group" in there else pl.lit(None).alias("group")
    return rows.select(pl.col("id"), group, pl.col("split")).cast(STOOD).collect()


def _of_lines(path: Path, given: str) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for line in lines(PartFile(name=path.name, path=path, digest=""), "utf-8", LONGEST_LINE_BYTES):
        if not (data := line.data.strip(LINE_SPACE)):
            continue
        try:
            record = parse_object(data)
        except NotRecordError as error:
            raise InputError(f"previous: {given}:{line.number}: {error}; mend the line or take it out") from error
        row = tuple(record.get(name) for name in STOOD)
        if not isinstance(row[0], str) or not all(value is None or isinstance(value, str) for value in row):
            raise InputError(f"previous: {given}:{line.number}: expected texts in id, split and, where known, group")
        rows.append(row)
    found = pl.DataFrame(rows, schema=STOOD, orient="row")
    if found.height and not found["split"].count():
        raise InputError(f"previous: {given}: no row has a split")
    return found


def _refuse_divided(rows: pl.DataFrame, column: str, given: str) -> None:
    sides = rows.select(column, "split").unique().filter(pl.len().over(column) > 1).sort(column, "split")
    if sides.height:
        name, one = sides.row(0)
        raise InputError(
            f"previous: {given}: {column} '{name}' lies in {one} and in {sides['split'][1]}, so what it holds leaks. "
            "Leave `previous` out and divide anew"
        )
