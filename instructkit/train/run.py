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
import numpy as np
import polars as pl

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.shards import read_split, split_counts
from instructkit.evaluate.answers import Declared
from instructkit.evaluate.choose import choose
from instructkit.evaluate.generate import Decoding
from instructkit.evaluate.losses import measure as measure_losses
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, read_evaluations, write_evaluations
from instructkit.evaluate.run import Answering, Measurement, compared, measure_examples
from instructkit.hashing import key_of
from instructkit.models.gguf import is_gguf, unpack_gguf
from instructkit.models.load import best_device, compute_dtype, load_tokenizer
from instructkit.models.runner import Runner, make_runner
from instructkit.train.config.ledger import Ledger
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData, conversations, load
from instructkit.train.data.plan import Plan
from instructkit.train.data.tokenizer import message_texts, train_tokenizer
from instructkit.train.model.prepare import prepare_model, prepare_tokenizer
from instructkit.train.model.trainable import make_trainable
from instructkit.train.save import checkpoint
from instructkit.train.save.card import Outcome, model_card
from instructkit.train.save.export import export
from instructkit.train.save.finish import NAMES, finish, saved_dtype
from instructkit.train.save.lineage import Lineage
from instructkit.train.save.state import Finished, open_run, run_state, write_run
from instructkit.train.step.loop import run_steps
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.watch.curve import draw_curve
from instructkit.train.watch.flops import model_costs
from instructkit.train.watch.ledger import Bookkeeper
from instructkit.train.watch.meter import Meter
from instructkit.train.watch.peak import device_peak
from instructkit.train.watch.progress import Event, Progress, silent
from instructkit.train.watch.recorder import Recorder
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
    began = time.perf_counter()
    say = progress or silent
    said, config = config, config.at(root)
    if config.from_ is not None:
        config = replace(config, model=str(base))
    fresh = run_state(config, shards, dataset_hash, out)
    state = open_run(out, fresh, step=config.examples, resume=resume, start_over=start_over)
    if state.finished is not None and (out / "model").exists():
        say(Event(phase="train", message=f"{out} is a finished run with the same data and settings: reused"))
        return _result(out, state.finished, began, resumed_from=state.finished.steps, reused=True)

    if isinstance(config.model, str) and is_gguf(config.model):
        say(Event(phase="prepare", message="the GGUF file is unpacked, which later runs need not do again"))
        config = replace(config, model=str(unpack_gguf(Path(config.model), out / "cache")))
    chat = prepare_tokenizer(
        config,
        lambda shape: _scratch_tokenizer(shape, config, shards, out / "cache", say),
        lambda: read_split(shards, "train"),
    )
    tokens_key = key_of([fresh.made_of["shards"], *chat.identity])
    data, preflight = load(conversations(shards, chat, tokens_key), config, out / "cache", say)
    preflight.save(out, out.name)
    table = ["what becomes of the examples", *preflight.lines(config.overlong)]
    say(Event(phase="prepare", message="\n  ".join(table)))
    preflight.refuse(config)
    plan = data.plan(config)
    figures = data.figures(plan)
    preflight.save(out, out.name, figures)
    say(Event(phase="prepare", message=figures.line()))

    adapted, notes = make_trainable(prepare_model(config, chat), config, plan.steps, chat.tokenizer)
    model = adapted.model.to(best_device())
    runner = make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device))
    parameters = {"parameters": model.num_parameters(), "trained": model.num_parameters(only_trainable=True)}
    notes += runner.notes
    test, validation = (_chosen(shards, split, config) for split in ("test", "validation"))
    if test is None:
        notes.append("no examples of split 'test': not evaluated before and after")
    if config.evaluate_every is not None and validation is None:
        notes.append("no examples of split 'validation': not evaluated on the way")
    for note in notes:
        say(Event(phase="prepare", message=note))
    answering = _answering(config, metrics or {})
    before = _evaluate_before(runner, chat, config, test, answering, out, say)

    optimizer = make_optimizer(model, config)
    done = _restore(out, fresh.key, model, optimizer, say)
    book = _open_book(config, out, shards, data, plan, done)
    if book is not None and not done:
        say(Event(phase="evaluate", message=f"{len(book.share):,} training examples, before training, for the ledger"))
        book.before(runner, config.precision)

    def measure(step: int) -> dict[str, Any]:
        if config.evaluate_every is None or validation is None or step % config.evaluate_every:
            return {}
        found = _evaluate(runner, chat, config, validation, SLICES).evaluation
        if found.overall.loss is None:
            return {}
        say(Event(phase="evaluate", message=f"step {step}: validation loss {found.overall.loss:.4f}"))
        return {"validation_loss": found.overall.loss, "validation": found.losses()}

    def save(step: int) -> None:
        if config.checkpoint_every and (step % config.checkpoint_every == 0 or step == plan.steps):
            checkpoint.save(
                out / "checkpoints",
                step=step,
                key=fresh.key,
                model=model,
                optimizer=optimizer,
                keep=config.keep_checkpoints,
            )

    recorder = Recorder(
        out / "metrics.jsonl",
        _meter(runner, config, say),
        say,
        done=done,
        steps=plan.steps,
        trackers=open_trackers(config.trackers, out, done, fresh.made_of["config"]),
        journal=None if book is None else book.journal,
    )
    try:
        run_steps(done, plan, data, runner, optimizer, config, recorder, measure, save)
    finally:
        recorder.close()
    if book is not None:
        say(Event(phase="evaluate", message=f"{len(book.share):,} training examples, after training, for the ledger"))
        book.after(runner, config.precision)
        notes += book.write(out / "ledger.parquet", _held_out(runner, chat, config, test, validation))

    dtype = saved_dtype(config)
    probe = [data.document(i) for i in np.argsort(data.lengths, kind="stable")[len(data.lengths) // 2 :][:4].tolist()]
    finish(runner, config, dtype, probe)
    after = None if test is None else _evaluate(runner, chat, config, test, SLICES, answering)
    found = BeforeAfter(before=None) if after is None else compared(before, after, SLICES, config.seed)
    whole = config.adapter is None or config.adapter.merges
    card = model_card(
        out.name,
        said,
        Outcome(
            kind=runner.kind,
            steps=plan.steps,
            saved_as=NAMES[dtype],
            adapter=not whole,
            notes=notes,
            before=found.before,
            after=found.after,
            changes=found.changes,
            **parameters,
        ),
        lineage=lineage or Lineage(dataset=dataset_hash),
        base=fresh.made_of["model"],
        made_of=fresh.made_of,
        key=fresh.key,
        preflight=preflight,
        shards=shards,
    )
    say(Event(phase="export", message=f"writing {out / 'model'}"))
    named = None if whole else (str(said.model or os.path.relpath(config.pretrained, root)), config.pretrained)
    export(runner, chat, card, out / "model", probe=probe, dtype=dtype, base=named)
    if after is not None:
        _keep(after, out / EVALUATED / "after.parquet")
    write_evaluations(out / "evaluation.json", found)
    notes += draw_curve(out)
    finished = Finished(steps=plan.steps, seconds=time.perf_counter() - began, notes=notes)
    write_run(out, msgspec.structs.replace(fresh, finished=finished))
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return _result(out, finished, began, resumed_from=done, reused=False)


def _scratch_tokenizer(shape: Scratch, config: Training, shards: Sequence[Path], cache: Path, say: Progress) -> Any:
    # Kept for a run that goes on; named by the process until whole, so that a killed one leaves nothing half.
    folder = cache / "tokenizer"
    if not folder.exists():
        say(Event(phase="tokenizer", message=f"training a tokenizer of at most {shape.vocab_size:,} tokens"))
        texts = message_texts(read_split(shards, "train"))
        beside = folder.with_name(".tokenizer.writing")
        shutil.rmtree(beside, ignore_errors=True)
        train_tokenizer(texts, shape.vocab_size, config.sequence_length).save_pretrained(beside)
        beside.rename(folder)
    return load_tokenizer(str(folder))


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
        runner,
        chat,
        examples,
        by=by,
        max_tokens=config.sequence_length,
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
    config: Training, out: Path, shards: Sequence[Path], data: TrainingData, plan: Plan, done: int
) -> Bookkeeper | None:
    if config.ledger is False:
        return None
    options = config.ledger if isinstance(config.ledger, Ledger) else Ledger()
    return Bookkeeper(options, out / "ledger", shards, data, plan, config.seed, done)


def _held_out(runner: Runner, chat: ChatFormat, config: Training, *chosen: pl.DataFrame | None) -> pl.DataFrame:
    """template, source, after: losses of examples that were not trained on."""
    frames = [frame for frame in chosen if frame is not None]
    if not frames:
        return pl.DataFrame(schema={"template": pl.String, "source": pl.String, "after": pl.Float64})
    rows = measure_losses(runner, chat, pl.concat(frames), config.sequence_length, config.precision).rows
    return rows.select("template", "source", after=pl.col("loss") / pl.col("weight"))


def _meter(runner: Runner, config: Training, say: Progress) -> Meter:
    device = runner.model.device
    peak = device_peak(device, compute_dtype(config.precision, device))
    say(Event(phase="prepare", message=f"MFU is of {peak.flops / 1e12:.3g} TFLOP/s: {peak.source}"))
    return Meter(model_costs(runner.model, head_on_supervised=runner.head is not None), peak, device)


def _restore(out: Path, key: str, model: Any, optimizer: Any, say: Progress) -> int:
    path = checkpoint.latest(out / "checkpoints")
    if path is None:
        return 0
    done = checkpoint.restore(path, key=key, model=model, optimizer=optimizer)
    say(Event(phase="train", message=f"going on after step {done}"))
    return done


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
