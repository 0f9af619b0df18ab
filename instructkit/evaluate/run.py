"""Evaluate a model on shards of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from msgspec.structs import replace

from instructkit.evaluate.answers import Declared, answer, metric_notes, to_answer
from instructkit.evaluate.choose import choose
from instructkit.evaluate.decode import Decoding, Told
from instructkit.evaluate.losses import measure
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation
from instructkit.evaluate.scores import reply_changes, reply_scores, with_scores
from instructkit.evaluate.slices import check_columns, loss_changes, loss_slices
from instructkit.evaluate.subject import Subject, open_model
from instructkit.models.load import Precision


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Which examples a model answers, and how."""

    total: int | None = None
    """At most so many, taken from the templates in turn. None: no limit."""
    per_template: int | None = None
    decoding: Decoding = field(default_factory=Decoding)
    metrics: Declared = field(default_factory=dict)
    """By the hash of the template that declares them; replies to others are measured by default."""
    told: Told | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A model on examples: what an evaluation says, and the losses behind it, from which models are compared."""

    evaluation: Evaluation
    rows: pl.DataFrame
    """Of each measured example; see `losses.measure`."""


def evaluate(
    model: str | Path,
    shards: Sequence[Path],
    *,
    split: str = "test",
    by: Sequence[str] = ("template",),
    limit: int | None = None,
    seed: int = 0,
    generations: int = 0,
) -> Evaluation:
    """Losses of a model directory (or hub name) on a split, per value of each column in `by`, and some replies.

    `limit`: examples per template, chosen by seeded hash; None: all. Raises UsageFault for a split without examples
    or an unknown column, TrainingError for a model that cannot be loaded or has no usable chat template.
    """
    check_columns(by)
    examples = choose(shards, split, limit, seed)
    answering = Answering(total=generations) if generations else None
    return measure_model(model, examples, by=by, answering=answering).evaluation


def measure_model(
    model: str | Path,
    examples: pl.DataFrame,
    *,
    by: Sequence[str],
    answering: Answering | None = None,
    seed: int = 0,
    documents: bool = False,
) -> Measurement:
    """A model directory (or hub name) on examples. `documents`: they are texts, not conversations."""
    subject = open_model(model, documents)
    found = measure_examples(subject, examples, by=by, answering=answering, seed=seed)
    notes = [*subject.notes, *found.evaluation.notes]
    return Measurement(evaluation=replace(found.evaluation, model=str(model), notes=notes), rows=found.rows)


def measure_examples(
    subject: Subject,
    examples: pl.DataFrame,
    *,
    by: Sequence[str],
    answering: Answering | None = None,
    precision: Precision = "auto",
    seed: int = 0,
) -> Measurement:
    """The same for a loaded model. Examples longer than it takes are counted, not measured. Raises UsageFault.

    `seed` of the resamples that intervals are drawn from.
    """
    check_columns(by)
    runner, chat, max_tokens, _ = subject
    measured = measure(runner, chat, examples, max_tokens, precision)
    found = summary(measured.rows, by, seed)
    found = replace(found, unlabelled=measured.unlabelled, overlong=measured.overlong)
    if answering is not None and chat.reads != "document":  # a model of texts is asked nothing
        shown = examples.filter(pl.col("id").is_in(measured.rows["id"].to_list()))
        asked = to_answer(shown, total=answering.total, per_template=answering.per_template)
        written = answer(subject, asked, answering.decoding, answering.metrics, precision, answering.told)
        generations = with_scores(written, measured.rows)
        found = replace(
            found,
            generations=generations,
            scores=reply_scores(generations, measured.rows, by, seed),
            unanswered=asked.height - len({g.example_id for g in generations}),
            notes=metric_notes(chat, generations, asked, answering.metrics),
        )
    return Measurement(evaluation=found, rows=measured.rows)


def summary(rows: pl.DataFrame, by: Sequence[str], seed: int = 0) -> Evaluation:
    """Losses of measured examples, as `losses.measure` gives them, by slice."""
    whole, *parts = loss_slices(rows, by, seed)
    splits = ", ".join(rows["split"].unique().drop_nulls().sort())
    return Evaluation(split=splits or "-", overall=whole, slices=parts)


def compare(before: Measurement, after: Measurement, by: Sequence[str], seed: int = 0) -> list[Change]:
    """After - before, with intervals, on the examples that both were measured on."""
    return [
        *loss_changes(before.rows, after.rows, by, seed),
        *reply_changes(before.evaluation.generations, after.evaluation.generations, after.rows, by, seed),
    ]


def compared(before: Measurement | None, after: Measurement, by: Sequence[str], seed: int = 0) -> BeforeAfter:
    """Both with their changes, as `evaluation.json` holds them."""
    if before is None:
        return BeforeAfter(before=None, after=after.evaluation)
    return BeforeAfter(before=before.evaluation, after=after.evaluation, changes=compare(before, after, by, seed))
