"""A training from shards of examples to a model directory.

    shards ─▶ tokenizer ─▶ tokens, preflight ─▶ plan ─▶ evaluate ─▶ steps ─▶ evaluate ─▶ model/
                                                          └── test split ──────┘

Stopped at any moment, the same call goes on where it was; once finished, it returns at once.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.shards import split_counts
from instructkit.evaluate.answers import Declared
from instructkit.evaluate.choose import choose
from instructkit.evaluate.decode import Decoding
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, read_evaluations, write_evaluations
from instructkit.evaluate.run import Answering, Measurement, compared, measure_examples
from instructkit.evaluate.subject import Subject
from instructkit.models.gguf import is_gguf, unpack_gguf
from instructkit.models.load import compute_dtype
from instructkit.models.runner import Runner, make_runner
from instructkit.train.config.ledger import Ledger
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData, load
from instructkit.train.data.plan import Plan
from instructkit.train.data.source import open_source
from instructkit.train.model.adapters import Adapted
from instructkit.train.model.prepare import prepare_model
from instructkit.train.model.trainable import make_trainable
from instructkit.train.save.card import Outcome, model_card
from instructkit.train.save.export import export
from instructkit.train.save.finish import NAMES, finish_weights, saved_dtype
from instructkit.train.save.lineage import Lineage
from instructkit.train.save.saves import Saves
from instructkit.train.save.state import Finished, RunState, open_run, run_state, write_run
from instructkit.train.step.loop import Stepper, no_batch, run_steps
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.step.parallel import make_parallel, probe_device
from instructkit.train.step.ranks import Ranks, joined
from instructkit.train.step.stopping import stops, watched_loss
from instructkit.train.watch.curve import draw_curve
from instructkit.train.watch.flops import model_costs
from instructkit.train.watch.ledger import Bookkeeper
from instructkit.train.watch.meter import Meter
from instructkit.train.watch.peak import device_peak
from instructkit.train.watch.progress import Event, Progress, silent
from instructkit.train.watch.recorder import Recorder, read_metrics
from instructkit.train.watch.trackers import open_trackers

SLICES = ("template", "source", "task", "language")
EVALUATED = "evaluation"
"""Folder with the losses of single test examples, before and after."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a training gave."""

    model: Path
    """A Hugging Face model directory."""
    before: Evaluation | None
    """On the test split, before the first step; None without one."""
    after: Evaluation | None
    changes: tuple[Change, ...]
    """after - before, with intervals."""
    steps: int
    resumed_from: int
    """Steps that were done when this call began."""
    reused: bool
    """Whether the run was finished before this call."""
    seconds: float
    """That this call took."""
    notes: tuple[str, ...]
    """What was not possible, and what was done instead."""


def train(
    config: Training,
    shards: Sequence[Path],
    out: Path,
    *,
    dataset_hash: str,
    lineage: Lineage | None = None,
    root: Path = Path(),
    base: Path | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    start_over: str = "train(…, resume=False)",
    metrics: Declared | None = None,
) -> TrainingResult:
    """Train on shards of the Example noun; everything about the run lies in `out` (see `train.save.state`).

    `dataset_hash` names the dataset in the model card and, with the shards' contents and the settings, in the run's
    key; `lineage` says more of it on the card. Paths in `config` are relative to `root`; `base` is the model of the
    training that it starts `from`. `resume` False starts over; `start_over` is what messages say for it. `metrics` that
    templates declare, by their hash, measure replies. Raises TrainingError, InputError, StageError, and UsageFault for
    a path where nothing lies.
    """
    with joined() as ranks:
        return _train(
            config, shards, out, dataset_hash, lineage, root, base, progress, resume, start_over, metrics, ranks
        )


def _train(
    said: Training,
    shards: Sequence[Path],
    out: Path,
    dataset_hash: str,
    lineage: Lineage | None,
    root: Path,
    base: Path | None,
    progress: Progress | None,
    resume: bool,
    start_over: str,
    metrics: Declared | None,
    ranks: Ranks,
) -> TrainingResult:
    began = time.perf_counter()
    say = progress if progress is not None and ranks.first else silent
    config = said.at(root)
    if config.from_ is not None:
        config = replace(config, model=str(base))

    def begin() -> tuple[RunState, RunState]:
        fresh = run_state(config, shards, dataset_hash, out)
        return fresh, open_run(out, fresh, step=config.examples, resume=resume, start_over=start_over)

    fresh, state = ranks.alone(begin)
    if state.finished is not None and (out / "model").exists():
        say(Event(phase="train", message=f"{out} is a finished run with the same data and settings: reused"))
        if config.ledger and not (out / "ledger.parquet").exists():
            say(Event(phase="train", message=f"it has no ledger; train it again for one: {start_over}"))
        return _result(out, state.finished, began, resumed_from=state.finished.steps, reused=True)

    cache = out / "cache"
    if isinstance(config.model, str) and is_gguf(config.model):
        say(Event(phase="prepare", message="a GGUF file is unpacked once, and kept for later starts"))
        file = Path(config.model)
        config = replace(config, model=str(ranks.in_turn(lambda: unpack_gguf(file, cache))))
    chat, source = ranks.in_turn(lambda: open_source(config, shards, fresh.made_of["shards"], cache, say))
    data, preflight = ranks.in_turn(lambda: load(source, config, cache, say))

    def plan_steps() -> Plan:
        preflight.save(out, out.name)
        table = ["what becomes of the examples", *preflight.lines(config.overlong)]
        say(Event(phase="prepare", message="\n  ".join(table)))
        preflight.refuse(config)
        plan = data.plan(config)
        figures = data.figures(plan)
        preflight.save(out, out.name, figures)
        say(Event(phase="prepare", message=figures.line()))
        return plan

    plan = ranks.alone(plan_steps)

    def build() -> tuple[Runner, Adapted]:
        adapted = make_trainable(prepare_model(config, chat), config, plan.steps, chat.tokenizer)
        model = adapted.model.to(probe_device(adapted.model))
        return make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device)), adapted

    runner, adapted = ranks.in_turn(build)
    model = runner.model
    trained = model.num_parameters(only_trainable=True)
    notes = [*adapted.notes, *runner.notes]
    test, validation = (_chosen(shards, split, config) for split in ("test", "validation"))
    if test is None:
        notes.append("no examples of split 'test': not evaluated before and after")
    if config.evaluate_every is not None and validation is None:
        notes.append("no examples of split 'validation': not evaluated on the way")
    for note in notes:
        say(Event(phase="prepare", message=note))
    answering = _answering(config, metrics or {})
    before = ranks.alone(lambda: _evaluate_before(runner, chat, config, test, answering, out, say))
    meter = _meter(runner, config, ranks, say)

    parallel = make_parallel(runner, config, ranks, no_batch(runner, data))
    stepper = Stepper(
        parallel=parallel,
        optimizer=make_optimizer(model, config),
        data=data,
        plan=plan,
        config=config,
        before_update=adapted.before_update,
        after_update=adapted.after_update,
        waiting=meter.waiting,
        say=lambda message: say(Event(phase="train", message=message)),
    )
    saves = Saves(out / "checkpoints", fresh.key, config, stepper)
    done = saves.restore(say)
    book = _open_book(config, out, shards, data, plan, done, ranks)
    if book is not None and not done:
        say(Event(phase="evaluate", message="training examples, before training, for the ledger"))
        with parallel.whole():
            book.before(runner, config.precision)

    def measure(step: int) -> dict[str, Any]:
        if config.evaluate_every is None or validation is None or step % config.evaluate_every:
            return {}
        found = parallel.alone(lambda: _evaluate(runner, chat, config, validation, SLICES).evaluation)
        if found.overall.loss is None:
            return {}
        say(Event(phase="evaluate", message=f"step {step}: validation loss {found.overall.loss:.4f}"))
        watched = watched_loss(config.early_stopping, found)
        return {"validation_loss": found.overall.loss, **watched, "validation": found.losses()}

    recorder = Recorder(
        out / "metrics.jsonl" if ranks.first else None,
        meter,
        say,
        done=done,
        steps=plan.steps,
        trackers=open_trackers(config.trackers, out, done, fresh.made_of["config"]) if ranks.first else (),
        journal=None if book is None else book.journal,
    )
    stepper.observe = recorder.observe
    measured = [line for line in ranks.alone(lambda: read_metrics(out / "metrics.jsonl")) if "validation_loss" in line]
    try:
        steps = run_steps(
            stepper,
            done,
            recorder,
            measured,
            measure=measure,
            stop=lambda lines: stops(config.early_stopping, lines),
            save=saves.save,
        )
    finally:
        recorder.close()
    saves.choose(steps, say)
    if book is not None:
        say(Event(phase="evaluate", message="training examples, after training, for the ledger"))
        with parallel.whole():
            book.after(runner, config.precision)
    runner = parallel.whole_runner(lambda: build()[0])

    def finish() -> TrainingResult:
        dtype, probe = saved_dtype(config), data.typical(4)
        finish_weights(runner, config, dtype, probe)
        after = None if test is None else _evaluate(runner, chat, config, test, SLICES, answering)
        if book is not None:
            notes.extend(book.write(out / "ledger.parquet", None if after is None else after.rows))
        found = BeforeAfter(before=None) if after is None else compared(before, after, SLICES, config.seed)
        whole = config.adapter is None or config.adapter.merges
        named = None if whole else (str(said.model or os.path.relpath(config.pretrained, root)), config.pretrained)
        card = model_card(
            out.name,
            said,
            Outcome(
                kind=runner.kind,
                steps=steps,
                parameters=runner.model.num_parameters(),
                trained=trained,
                saved_as=NAMES[dtype],
                adapter=not whole,
                notes=notes,
                before=found.before,
                after=found.after,
                changes=found.changes,
            ),
            lineage=lineage or Lineage(dataset=dataset_hash),
            base=fresh.made_of["model"],
            made_of=fresh.made_of,
            key=fresh.key,
            preflight=preflight,
            shards=shards,
        )
        say(Event(phase="export", message=f"writing {out / 'model'}"))
        export(runner, chat, card, out / "model", probe=probe, dtype=dtype, base=named)
        if after is not None:
            _keep(after, out / EVALUATED / "after.parquet")
        write_evaluations(out / "evaluation.json", found)
        notes.extend(draw_curve(out))
        finished = Finished(steps=steps, seconds=time.perf_counter() - began, notes=notes)
        write_run(out, msgspec.structs.replace(fresh, finished=finished))
        for name in ("checkpoints", "ledger"):
            shutil.rmtree(out / name, ignore_errors=True)
        return _result(out, finished, began, resumed_from=done, reused=False)

    return ranks.alone(finish)


def _chosen(shards: Sequence[Path], split: str, config: Training) -> pl.DataFrame | None:
    if not split_counts(shards).get(split):
        return None
    return choose(shards, split, config.evaluate_examples, config.seed)


def _answering(config: Training, metrics: Declared) -> Answering | None:
    if not (config.generations or config.scored_replies):
        return None
    per_template, total = config.scored_replies, None if config.scored_replies else config.generations
    decoding = Decoding(max_new_tokens=config.reply_tokens)
    return Answering(total=total, per_template=per_template, decoding=decoding, metrics=metrics)


def _evaluate(
    runner: Runner,
    chat: ChatFormat,
    config: Training,
    examples: pl.DataFrame,
    by: Sequence[str],
    answering: Answering | None = None,
) -> Measurement:
    return measure_examples(
        Subject(runner, chat, config.sequence_length, ()),
        examples,
        by=by,
        answering=answering,
        precision=config.precision,
        seed=config.seed,
    )


def _evaluate_before(
    runner: Runner,
    chat: ChatFormat,
    config: Training,
    test: pl.DataFrame | None,
    answering: Answering | None,
    out: Path,
    say: Progress,
) -> Measurement | None:
    """Measured once: the files stand before the first step, and a run that goes on reads them."""
    if test is None:
        return None
    path, losses = out / "evaluation.json", out / EVALUATED / "before.parquet"
    if path.exists() and losses.exists() and (before := read_evaluations(path).before) is not None:
        return Measurement(evaluation=before, rows=pl.read_parquet(losses, glob=False))
    say(Event(phase="evaluate", message=f"{test.height:,} test examples, before training"))
    found = _evaluate(runner, chat, config, test, SLICES, answering)
    _keep(found, losses)
    write_evaluations(path, BeforeAfter(before=found.evaluation))
    return found


def _keep(found: Measurement, path: Path) -> None:
    """The losses of single examples, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".writing")
    found.rows.write_parquet(beside)
    beside.replace(path)


def _open_book(
    config: Training, out: Path, shards: Sequence[Path], data: TrainingData, plan: Plan, done: int, ranks: Ranks
) -> Bookkeeper | None:
    if config.ledger is False:
        return None
    options = config.ledger if isinstance(config.ledger, Ledger) else Ledger()
    return Bookkeeper(options, out / "ledger", shards, data, plan, config.seed, done, rank=ranks.rank, ranks=ranks.size)


def _meter(runner: Runner, config: Training, ranks: Ranks, say: Progress) -> Meter:
    device = runner.model.device
    peak = device_peak(device, compute_dtype(config.precision, device))
    say(Event(phase="prepare", message=f"MFU is a share of {peak.flops / 1e12:.3g} TFLOP/s ({peak.source})"))
    costs = model_costs(runner.model, head_on_supervised=runner.head is not None)
    return Meter(costs, peak, device, devices=ranks.size, recomputed=config.activation_checkpointing)


def _result(out: Path, finished: Finished, began: float, *, resumed_from: int, reused: bool) -> TrainingResult:
    path = out / "evaluation.json"
    evaluations = read_evaluations(path) if path.exists() else BeforeAfter(before=None)
    return TrainingResult(
        model=out / "model",
        before=evaluations.before,
        after=evaluations.after,
        changes=tuple(evaluations.changes),
        steps=finished.steps,
        resumed_from=resumed_from,
        reused=reused,
        seconds=time.perf_counter() - began,
        notes=tuple(finished.notes),
    )
