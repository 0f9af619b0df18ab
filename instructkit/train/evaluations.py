"""When a training is measured: on the test split before and after, on the validation split along the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.shards import split_counts
from instructkit.errors import TrainingError
from instructkit.evaluate.choose import choose
from instructkit.evaluate.decode import Decoding
from instructkit.evaluate.result import BeforeAfter, read_evaluations, write_evaluations
from instructkit.evaluate.run import Answering, Measurement, compared, measure_examples
from instructkit.evaluate.subject import Subject
from instructkit.models.runner import Runner
from instructkit.store.atomic import beside
from instructkit.train.config.stopping import SLICES
from instructkit.train.config.training import Training
from instructkit.train.job import Job
from instructkit.train.step.stopping import check_slice, watched_loss

EVALUATED = "evaluation"
"""Folder with the losses of single test examples, before and after."""


class Evaluations:
    """The evaluations of one run of so many `steps`. Raises TrainingError where one that decides could not be made."""

    def __init__(self, job: Job, chat: ChatFormat, steps: int) -> None:
        self.job, self.config, self.chat = job, job.config, chat
        self.test, self.validation = (_chosen(job.shards, split, job.config) for split in ("test", "validation"))
        check(job.config, job.shards, steps)
        self.answering = _answering(job)
        self.first: Measurement | None = None
        if self.test is None:
            job.note("no examples of split 'test': not evaluated before and after")
        if self.config.evaluate_every is not None and self.validation is None:
            job.note("no examples of split 'validation': not evaluated on the way")

    def before(self, runner: Runner) -> None:
        """Measured once: the files stand before the first step, and a run that goes on reads them."""
        if self.test is None:
            return
        path, losses = self.job.out / "evaluation.json", self.job.out / EVALUATED / "before.parquet"
        if path.exists() and losses.exists() and (before := read_evaluations(path).before) is not None:
            self.first = Measurement(evaluation=before, rows=pl.read_parquet(losses, glob=False))
            return
        self.job.say("evaluate", f"{self.test.height:,} test examples, before training")
        self.first = self._measure(runner, self.test, self.answering)
        _keep(self.first, losses)
        write_evaluations(path, BeforeAfter(before=self.first.evaluation))

    def due(self, step: int) -> bool:
        """Whether the validation split is measured after so many steps."""
        return self.config.evaluate_every is not None and step % self.config.evaluate_every == 0

    def on_the_way(self, runner: Runner, step: int) -> dict[str, Any]:
        """The validation losses after so many steps, for the step's line of metrics.jsonl."""
        if self.validation is None:
            return {}
        found = self._measure(runner, self.validation).evaluation
        if found.overall.loss is None:
            return {}
        self.job.say("evaluate", f"step {step}: validation loss {found.overall.loss:.4f}")
        watched = watched_loss(self.config.early_stopping, found)
        return {"validation_loss": found.overall.loss, **watched, "validation": found.losses()}

    def after(self, runner: Runner) -> tuple[BeforeAfter, pl.DataFrame | None]:
        """Before and after, compared, and the losses of single test examples after training."""
        if self.test is None:
            return BeforeAfter(before=None), None
        found = self._measure(runner, self.test, self.answering)
        _keep(found, self.job.out / EVALUATED / "after.parquet")
        return compared(self.first, found, SLICES, self.config.seed), found.rows

    def _measure(self, runner: Runner, examples: pl.DataFrame, answering: Answering | None = None) -> Measurement:
        return measure_examples(
            Subject(runner, self.chat, self.config.sequence_length, ()),
            examples,
            by=SLICES,
            answering=answering,
            precision=self.config.precision,
            seed=self.config.seed,
        )


def _chosen(shards: Sequence[Path], split: str, config: Training) -> pl.DataFrame | None:
    if not split_counts(shards).get(split):
        return None
    return choose(shards, split, config.evaluate_examples, config.seed)


def check(config: Training, shards: Sequence[Path], steps: int) -> None:
    """Raises TrainingError where a setting looks at validation losses that will not be there."""
    watch = config.early_stopping
    deciding = [*(["early_stopping"] if watch else []), *(["export: best"] if config.export == "best" else [])]
    if not deciding or config.evaluate_every is None:
        return
    if (validation := _chosen(shards, "validation", config)) is None:
        raise TrainingError(f"{deciding[0]}: looks at validation losses, and no example is of split 'validation'")
    if config.evaluate_every > steps:
        raise TrainingError(
            f"{deciding[0]}: looks at validation losses, and evaluate_every is {config.evaluate_every:,} in a training "
            f"of {steps:,} steps; set evaluate_every: {max(1, steps // 10)}, say"
        )
    if watch is not None and watch.slice != "all":
        names = validation[watch.slice.partition("=")[0]].fill_null("-").unique().sort()
        check_slice(watch, names.to_list())


def _answering(job: Job) -> Answering | None:
    config = job.config
    if not (config.generations or config.scored_replies):
        return None
    per_template, total = config.scored_replies, None if config.scored_replies else config.generations
    decoding = Decoding(max_new_tokens=config.reply_tokens)
    return Answering(total=total, per_template=per_template, decoding=decoding, metrics=job.metrics)


def _keep(found: Measurement, path: Path) -> None:
    """The losses of single examples, whole or not at all."""
    with beside(path) as temporary:
        found.rows.write_parquet(temporary)
