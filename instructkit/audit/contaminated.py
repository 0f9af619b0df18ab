"""Rows that hold a row of an evaluation, as the stage `decontaminate` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from instructkit.audit.finding import MARKS
from instructkit.audit.ground import Ground
from instructkit.contamination.index import Hits, Index
from instructkit.contamination.judge import judged
from instructkit.contamination.matches import matches
from instructkit.contamination.rarity import groups_with, weights
from instructkit.contamination.rows import Settings, turns
from instructkit.stages.ingest.evaluations import Evaluation, evaluation_files, evaluation_rows

RULES = {"prompt": "prompt", "answer": "answer", "both": "prompt and answer"}


def check_contaminated(ground: Ground, against: Sequence[str], root: Path) -> None:
    """Marks rows that hold the prompt or a long answer of a row of the evaluations: rules of `RULES`.

    Rows of a file that is itself one of the evaluations are not compared. Raises InputError for one that cannot be
    read.
    """
    files = evaluation_files([Evaluation(path=path) for path in against], root)
    settings = Settings()
    index = Index.of(evaluation_rows(files), settings.ngram, settings.ignore)
    own = ground.names_of({file.path.resolve() for _, file in files})
    hits = _hits(ground, index, own)
    # What is asked in the same words counts once, however often it stands there.
    groups = pl.Series(np.zeros(ground.disk.rows, dtype=np.uint64)).scatter(
        ground.known["row"], ground.known["prompt_0"]
    )
    with_gram = groups_with(hits.gram, groups.gather(hits.record), len(index.grams))
    weighed = weights(index, with_gram, groups.n_unique(), settings.common)

    def turns_of(wanted: list[int]) -> pl.DataFrame:
        rows = ground.disk.some(wanted, "messages")
        return rows.select(record=pl.col("row").cast(pl.Int64), turns=turns(rows))

    found = judged(index, matches(index, hits, weighed, settings.threshold), settings, turns_of)
    held = found.filter(pl.col("part") != "passage")
    rows = index.rows.select("file", "line").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    place = pl.when(pl.col("line").is_null()).then("file").otherwise(pl.format("{}:{}", "file", "line"))
    best = held.unique("record", keep="first", maintain_order=True).join(rows, on="row", maintain_order="left")
    marks = best.select(
        row="record",
        rule=pl.col("part").replace_strict(RULES, return_dtype=pl.String),
        said=pl.format("{}, score {}", place, pl.col("score").round(2)),
    )
    ground.tally.add("contaminated", marks.cast(MARKS))
    _say(ground, index, held, found, own)


def _hits(ground: Ground, index: Index, own: set[str]) -> Hits:
    parts = [Hits(*(np.empty(0, dtype=np.int64) for _ in Hits._fields))]
    done = 0
    for block in ground.disk.blocks("row", "file", "messages"):
        some = block.filter(~pl.col("file").is_in(own))
        hits = index.hits(some.select(turns(some).alias("turns"))["turns"])
        parts.append(hits._replace(record=some["row"].to_numpy().astype(np.int64)[hits.record]))
        done += block.height
        ground.observe("looking for evaluation rows", done, ground.known.height)
    return Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _say(ground: Ground, index: Index, held: pl.DataFrame, found: pl.DataFrame, own: set[str]) -> None:
    rows = held["row"].n_unique()
    ground.said.append(f"of {index.rows.height:,} evaluation rows {rows:,} were found here")
    passages = found.join(held, on="record", how="anti")["record"].n_unique()
    if passages:
        ground.said.append(
            f"{passages:,} rows hold the passage of an evaluation row, but neither question nor answer; not counted"
        )
    if own:
        ground.said.append(f"not compared, being evaluations themselves: {', '.join(sorted(own))}")
