"""Rows of evaluations that stand in a dataset, as the stage `decontaminate` looks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import yaml

from instructkit.audit.crossings import Observer
from instructkit.audit.spool import RowSpool
from instructkit.build.manifest import Build
from instructkit.contamination.index import Hits, Index
from instructkit.contamination.judge import judged
from instructkit.contamination.matches import Void, matches
from instructkit.contamination.rarity import groups_with, weights
from instructkit.contamination.rows import Settings
from instructkit.errors import InputError
from instructkit.stages.ingest.evaluations import Evaluation, evaluation_files, evaluation_rows, listed

STAGE = "decontaminate"
MARGIN = 0.05
"""Words weigh by how rare they are in the corpus, and what is left of it at a build's end is another corpus than the
one that was decontaminated: a score just below the threshold there may come out just above it here."""
FOUND = pl.Schema(
    {"place": pl.Int64(), "row": pl.Int64(), "part": pl.String(), "score": pl.Float64(), "file": pl.String()}
)
"""A row of the dataset, by its place in the spool, and the row of an evaluation that it holds; `row` is the number of
that in `Held.rows`, `part` what of it was found."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """Evaluations that are looked for together, in one way."""

    evaluations: tuple[Evaluation, ...]
    settings: Settings = field(default_factory=Settings)
    root: Path = Path()
    """What their paths are relative to."""
    margin: float = 0
    """How far above the threshold a score must be to count."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What was found of some evaluations."""

    files: tuple[str, ...]
    """Of the evaluations, those without rows too."""
    rows: pl.DataFrame
    """The rows of the evaluations, as `contamination.rows.EVALUATION`."""
    found: pl.DataFrame
    """As `FOUND`; all that is found, passages apart."""
    skipped: tuple[str, ...]
    """Files of the dataset that are evaluations themselves, so that their rows were not compared."""
    nearly: pl.DataFrame
    """As `FOUND`; what is above the threshold, but within the margin, of rows that hold nothing else."""


def named(paths: Sequence[str]) -> list[Against]:
    """Evaluations that a command names by their paths; each with the usual names of columns."""
    return [Against(evaluations=tuple(Evaluation(path=path) for path in paths))] if paths else []


def of_build(build: Build) -> tuple[list[Against], list[str]]:
    """The evaluations that a build was decontaminated against, by the steps of its recipe; and what cannot be read.

    They are looked for as the steps did, in the rows as they are now.
    """
    found, missing = list[Against](), list[str]()
    # A build lies in `build/NAME` of its project, unless it was told to lie elsewhere.
    root = build.folder.resolve().parent.parent
    steps = (yaml.safe_load(build.manifest.recipe_text) or {}).get("steps") or {}
    names = {each.name for each in fields(Settings)}
    for name, entry in build.manifest.steps.items():
        if entry.stage != STAGE:
            continue
        given = msgspec.convert(steps[name]["against"], str | Evaluation | list[str | Evaluation])
        told = {key: value for key, value in entry.settings.items() if key in names}
        against = Against(
            evaluations=tuple(listed(given)),
            settings=msgspec.convert(told, Settings, strict=False),
            root=root,
            margin=MARGIN,
        )
        try:
            evaluation_files(against.evaluations, root)
        except InputError as error:
            missing.append(f"evaluations of step '{name}' were not looked for: {error}")
        else:
            found.append(against)
    return found, missing


def held(spool: RowSpool, against: Against, own: dict[Path, str], literals: list[str], observe: Observer) -> Held:
    """The rows of evaluations that the spool's rows hold. The spool has `turns`, `group` and `prompt` of each row.

    `own`: the dataset's files and their names: rows of a file that is one of the evaluations are not compared with it.
    `literals`: texts of templates, which are no evidence. Raises InputError for an evaluation that cannot be read.
    Memory: the evaluation's index, 8 bytes a row, and 40 bytes a shared n-gram.
    """
    files = evaluation_files(against.evaluations, against.root)
    settings = against.settings
    index = Index.of(evaluation_rows(files), settings.ngram, settings.ignore)
    theirs = {own[file.path.resolve()] for _, file in files if file.path.resolve() in own}
    parts = [Hits(*(np.empty(0, dtype=np.int64) for _ in Hits._fields))]
    groups, place = [pl.Series(dtype=pl.UInt64)], 0
    for chunk in spool.chunks(["turns", "group", "prompt", "file"]):
        # What is asked in the same words counts once, however often it stands there.
        groups.append(chunk.select(pl.coalesce("group", "prompt").hash(seed=0)).to_series())
        turns = chunk.select(pl.when(~pl.col("file").is_in(list(theirs))).then("turns")).to_series()
        hits = index.hits(turns)
        parts.append(hits._replace(record=hits.record + place))
        place += chunk.height
        observe("looking for evaluation rows", place, sum(spool.counts))
    hits = Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    group = pl.concat([series.alias("group") for series in groups])
    pairs = pl.LazyFrame({"gram": hits.gram, "group": group.gather(hits.record)})
    with_gram = groups_with(pairs, len(hits.gram), len(index.grams))
    weighed = weights(index, with_gram, group.n_unique(), settings.common)
    void = Void.of(
        np.zeros(place, dtype=np.int64), [index.numbers(pl.Series(literals, dtype=pl.String))], len(index.grams)
    )

    def turns_of(wanted: list[int]) -> pl.DataFrame:
        return spool.at(wanted, ["turns"]).select(record="place", turns="turns")

    found = judged(index, matches(index, hits, weighed, settings.threshold, void), settings, turns_of)
    there = index.rows.select("file").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    said = found.filter(pl.col("part") != "passage").join(there, on="row", maintain_order="left")
    said = said.select(place="record", row="row", part="part", score="score", file="file")
    sure = said.filter(pl.col("score") >= min(settings.threshold + against.margin, 1))
    return Held(
        files=tuple(file.name for _, file in files),
        rows=index.rows,
        found=sure,
        skipped=tuple(sorted(theirs)),
        nearly=said.join(sure, on="place", how="anti", maintain_order="left"),
    )


def evaluation_side(row: dict[str, Any]) -> dict[str, Any]:
    """A row of an evaluation as evidence shows it."""
    asked = "\n".join(text for text in (row["passage"], row["prompt"]) if text)
    return {
        "file": row["file"],
        "line": row["line"],
        "id": row["id"],
        "split": "evaluation",
        "prompt": row["prompt"] or asked,
        "response": next(iter(row["answers"] or ()), ""),
    }
