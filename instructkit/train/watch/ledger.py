"""The ledger of a training: what the loss of each example was before, during and after, and what that says of it.

The losses during the training are those that it computes anyway. Before and after cost a forward pass each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from instructkit.chat.shards import read_split
from instructkit.evaluate.choose import drawn
from instructkit.evaluate.losses import document_losses
from instructkit.models.load import Precision
from instructkit.models.runner import Runner
from instructkit.schema import LedgerEntry, columns
from instructkit.store.atomic import beside
from instructkit.train.config.ledger import Ledger
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Indices, Plan
from instructkit.train.watch.classes import classify
from instructkit.train.watch.journal import BEFORE, Journal, read_journal
from instructkit.train.watch.progress import Event, Progress, silent

ABOUT = ("id", "content_hash", "template", "source", "task", "language", "group", "document_ids", "origin")
"""Columns of the Example noun that the ledger repeats."""
AT_ONCE = 256
"""Examples between two signs of progress."""
PIECE = r"#\d+$"


class Bookkeeper:
    """Keeps the ledger of a run: `before`, then what `journal` is told of each step, then `after` and `write`.

    done: steps that an earlier call has done; what its journal holds of later steps is cut.
    """

    def __init__(
        self,
        options: Ledger,
        folder: Path,
        shards: Sequence[Path],
        data: TrainingData,
        plan: Plan,
        seed: int,
        done: int,
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.folder, self.data, self.steps = folder, data, plan.steps
        self.about = _about(shards, data)
        met = np.unique(plan.met(plan.steps))
        # In order of length, dealt out in turn: ranks get much the same work.
        chosen = choose(self.about, met, options.examples, seed)
        self.share = chosen[np.argsort(data.lengths[chosen], kind="stable")][rank::ranks]
        self.journal = Journal(folder, done, rank=rank, ranks=ranks)

    def before(self, runner: Runner, precision: Precision, progress: Progress = silent) -> None:
        """Measure this rank's examples before the first step."""
        self._measure(BEFORE, "ledger", runner, precision, progress)

    def after(self, runner: Runner, precision: Precision, progress: Progress = silent) -> None:
        """Measure them after the last step; the journal of this rank is complete then."""
        self._measure(self.steps + 1, "ledger again", runner, precision, progress)

    def write(self, path: Path, held_out: pl.DataFrame | None) -> list[str]:
        """Put the journals of all ranks together as `path`, whole or not at all; what there is to say of it.

        held_out: the losses of examples that were not trained on, after the training (see `evaluate.losses.measure`).
        """
        rows = entries(self.about, self.data, read_journal(self.folder), self.steps)
        reached = pl.DataFrame(schema={"template": pl.String, "source": pl.String, "after": pl.Float64})
        if held_out is not None:
            told = held_out.filter(pl.col("weight") > 0)
            reached = told.select("template", "source", after=pl.col("loss") / pl.col("weight"))
        ledger = classify(rows, reached, self.steps).select(columns(LedgerEntry).names())
        with beside(path) as temporary:
            ledger.write_parquet(temporary)
        measured = rows.filter(pl.col("after").is_not_null())
        if measured["before"].null_count():
            return ["the ledger was turned on after the first step: it has no losses before training"]
        return []

    def _measure(self, step: int, phase: str, runner: Runner, precision: Precision, progress: Progress) -> None:
        for start in range(0, len(self.share), AT_ONCE):
            part = self.share[start : start + AT_ONCE]
            loss, weight, _ = document_losses(runner, [self.data.document(i) for i in part.tolist()], precision)
            self.journal.add(step, part, loss, weight)
            progress(Event(phase=phase, done=start + len(part), total=len(self.share)))


def choose(about: pl.DataFrame, met: Indices, limit: int | None, seed: int) -> Indices:
    """At most `limit` of the examples that the training meets, as many of each template as there are; sorted indices.

    about: id, template, one row an example, in the order of the training data. Chosen by seeded hash of the id.
    """
    if limit is None or limit >= len(met):
        return met
    rows = drawn(about.select("id", "template").with_row_index("index")[met], None, seed)
    dealt = rows.sort(pl.int_range(pl.len()).over("template"), maintain_order=True)
    return np.sort(dealt["index"].head(limit).to_numpy().astype(np.int64))


def entries(about: pl.DataFrame, data: TrainingData, journal: pl.DataFrame, steps: int) -> pl.DataFrame:
    """The LedgerEntry noun without class, value and threshold: a row for each example that the journal knows.

    A text that is trained on in pieces is one example: its losses are means over the pieces that were met in a step.
    """
    step = pl.col("step")
    visit = pl.struct(step=pl.col("step").cast(pl.Int64), loss=pl.col("loss"))
    numbered = about.select("id", example=pl.int_range(pl.len(), dtype=pl.Int64), tokens=pl.Series(data.supervised))
    mean = (pl.col("loss") * pl.col("weight")).sum() / pl.col("weight").sum()
    losses = journal.join(numbered, on="example").group_by("id", "step").agg(loss=mean).sort("id", "step")
    known = losses.group_by("id", maintain_order=True).agg(
        before=pl.col("loss").filter(step == BEFORE).first(),
        during=visit.filter(step.is_between(1, steps)),
        after=pl.col("loss").filter(step == steps + 1).first(),
    )
    tokens = numbered.group_by("id", maintain_order=True).agg(pl.col("tokens").sum())
    rows = about.unique("id", keep="first", maintain_order=True).join(tokens, on="id", maintain_order="left")
    names = [name for name in columns(LedgerEntry).names() if name not in ("class", "value", "threshold")]
    return rows.join(known, on="id", how="inner", maintain_order="left").select(names)


def _about(shards: Sequence[Path], data: TrainingData) -> pl.DataFrame:
    """`ABOUT` of the examples that are trained on, in the order of the training data."""
    rows = pl.concat([frame.select(ABOUT) for frame in read_split(shards, "train")])
    # The second and later pieces of a text are called ID#2, ID#3, … (see `train.data.tokens`).
    whole = pl.when(pl.col("id").is_in(rows["id"].implode())).then("id").otherwise(pl.col("id").str.replace(PIECE, ""))
    ids = pl.DataFrame({"id": data.example_ids}, schema={"id": pl.String}).with_columns(whole)
    return ids.join(rows, on="id", how="left", maintain_order="left", validate="m:1")
