"""Rows that hold a row of an evaluation, as `verify` and the stage `decontaminate` find them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from instructkit.audit.evaluations import Against, held
from instructkit.audit.finding import MARKS, file_line
from instructkit.audit.ground import Ground
from instructkit.audit.spool import RowSpool
from instructkit.contamination.rows import turns
from instructkit.stages.ingest.evaluations import Evaluation

RULES = {"prompt": "prompt", "answer": "answer", "both": "prompt and answer"}
EVERYTHING = "all"
"""Rows are compared whatever split they are of, or none."""


def check_contaminated(ground: Ground, against: Sequence[str], root: Path) -> None:
    """Marks rows that hold the prompt or a long answer of a row of the evaluations: rules of `RULES`.

    Rows of a file that is itself one of the evaluations are not compared. Raises InputError for one that cannot be
    read.
    """
    evaluations = Against(evaluations=tuple(Evaluation(path=path) for path in against), root=root)
    own = {path.resolve(): name for name, path in ground.paths.items()}
    found = held(_spooled(ground), evaluations, own, ground.literals, ground.observe)
    rows = found.rows.select("file", "line").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    best = found.found.drop("file").unique("place", keep="first", maintain_order=True)
    marks = best.join(rows, on="row", maintain_order="left").select(
        row=ground.known["row"].gather(best["place"]),
        rule=pl.col("part").replace_strict(RULES, return_dtype=pl.String),
        said=pl.format("{}, score {}", file_line(), pl.col("score").round(2)),
    )
    ground.tally.add("contaminated", marks.sort("row").cast(MARKS))
    ground.said.append(f"of {found.rows.height:,} evaluation rows {found.found['row'].n_unique():,} were found here")
    if found.skipped:
        ground.said.append(f"not compared, being evaluations themselves: {', '.join(found.skipped)}")


def _spooled(ground: Ground) -> RowSpool:
    """All conversations, in their order."""
    folder = ground.folder / "turns"
    folder.mkdir()
    spool = RowSpool(folder)
    for block in ground.disk.blocks("row", "file", "prompt", "messages"):
        spool.add(
            block.select(
                "row",
                "file",
                "prompt",
                split=pl.lit(EVERYTHING),
                group=pl.lit(None, pl.String),
                turns=turns(block),
            )
        )
    return spool
