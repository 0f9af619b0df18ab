"""From findings to a decision: a row for each record, with its evidence and all rows of evaluations that it holds."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from instructkit.contamination.evidence import evidence
from instructkit.contamination.index import Index
from instructkit.contamination.rows import turns

ROW = pl.Struct(
    {
        "row": pl.Int64(),
        "file": pl.String(),
        "line": pl.Int64(),
        "id": pl.String(),
        "part": pl.String(),
        "score": pl.Float64(),
    }
)
"""A row of an evaluation that a record holds; `row` is its number through all files."""

DECISION = pl.Schema(
    {
        "id": pl.String(),
        "rule": pl.String(),
        "score": pl.Float64(),
        "part": pl.String(),
        "evaluation_file": pl.String(),
        "evaluation_line": pl.Int64(),
        "evaluation_id": pl.String(),
        "here": pl.String(),
        "there": pl.String(),
        "cut": pl.Boolean(),
        "evaluation_rows": pl.List(ROW),
    }
)
"""A row for each record that holds one of an evaluation. `rule`: null for one that holds passages only and may stay.
`score` to `there` are about the row that is found best; `here` and `there` are the two texts, null where so many
records are contaminated that to keep them would cost too much, `cut` where one of them goes on. `evaluation_rows`: all
that are found in the record. One row a record, since the runner sorts decisions by id and by nothing else."""

MOST_EVIDENCE = 50_000
"""Records whose evidence a decision keeps, the first ones by id: 200 million characters at most."""
TEXTS_AT_ONCE = 2_000
EVIDENCE = pl.Schema({"id": pl.String(), "here": pl.String(), "there": pl.String(), "cut": pl.Boolean()})


def decision_of(
    index: Index, findings: pl.DataFrame, ids: pl.Series, records: pl.LazyFrame, passages: bool
) -> pl.DataFrame:
    """The decision, as `DECISION`, sorted by id.

    `findings`: as `judge.FINDING`. `ids`: of their records. `passages`: whether one that holds a passage goes.
    """
    rows = index.rows.with_row_index("row").select(pl.col("row").cast(pl.Int64), "file", "line", evaluation_id="id")
    told = findings.join(rows, on="row", maintain_order="left").with_columns(
        id=ids.gather(findings["record"]),
        # Whoever holds more than a passage is contaminated for that, however well the passage is found.
        only_passage=pl.col("part") == "passage",
    )
    told = told.sort("id", "only_passage", maintain_order=True)
    best = told.unique("id", keep="first", maintain_order=True)
    row = pl.struct("row", "file", "line", "part", "score", id="evaluation_id")
    everything = told.group_by("id", maintain_order=True).agg(evaluation_rows=row)
    shown = pl.DataFrame(list(_evidence(index, best.head(MOST_EVIDENCE), records)), schema=EVIDENCE, orient="row")
    passage = pl.lit("contaminated_passage" if passages else None, dtype=pl.String)
    decision = (
        best.join(everything, on="id", maintain_order="left")
        .join(shown, on="id", how="left", maintain_order="left")
        .with_columns(
            rule=pl.when("only_passage").then(passage).otherwise(pl.lit("contaminated")),
            evaluation_file="file",
            evaluation_line="line",
            evaluation_rows=pl.col("evaluation_rows").list.eval(
                pl.struct([pl.element().struct.field(field.name) for field in ROW.fields])
            ),
        )
    )
    return decision.select([pl.col(name).cast(dtype) for name, dtype in DECISION.items()])


def _evidence(index: Index, best: pl.DataFrame, records: pl.LazyFrame) -> Iterator[tuple[str, str, str, bool]]:
    """The evidence of each record, as `EVIDENCE`, in no order; their texts are read once, some at a time."""
    if best.is_empty():
        return
    wanted = best.select("id", "row", "part", "segment", "first", "last", whole=pl.col("score") == 1)
    texts = records.select("id", turns=turns(records)).join(wanted.lazy(), on="id")
    for some in texts.collect_batches(chunk_size=TEXTS_AT_ONCE, maintain_order=False):
        for each in some.iter_rows(named=True):
            found = range(each["first"], each["last"])
            shown = evidence(index, each["turns"], each["row"], each["part"], each["segment"], found, each["whole"])
            yield each["id"], shown.here, shown.there, shown.cut
