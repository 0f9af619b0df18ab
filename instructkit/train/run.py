"""A training from shards of examples to a model directory.

    shards ─▶ tokenizer ─▶ tokens, preflight ─▶ plan ─▶ evaluate ─▶ steps ─▶ evaluate ─▶ model/
                                                          └── test split ──────┘

Stopped at any moment, the same call goes on where it was; once finished, it returns at once.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.shards import read_split, split_counts
from instructkit.evaluate.choose import choose
from instructkit.evaluate.result import BeforeAfter, Evaluation, read_evaluations, write_evaluations
from instructkit.evaluate.run import evaluate_examples
from instructkit.hashing import key_of
from instructkit.models.load import best_device, compute_dtype, load_tokenizer
from instructkit.models.runner import Runner, make_runner
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.load import load
from instructkit.train.data.plan import Plan, make_plan
from instructkit.train.data.preflight import LOST, Preflight
from instructkit.train.data.tokenizer import message_texts, train_tokenizer
from instructkit.train.model.prepare import prepare_model, prepare_tokenizer
from instructkit.train.save import checkpoint
from instructkit.train.save.card import model_card
from instructkit.train.save.export import export
from instructkit.train.save.state import Finished, open_run, run_state, write_json, write_run
from instructkit.train.step.loop import rewind, run_steps
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.watch.progress import Event, Progress, silent

SLICES = ("template", "source", "task", "language")


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a training gave."""

    model: Path
    """A Hugging Face model directory."""
    before: Evaluation | None
    """On the test split, before the first step; None without one."""
    after: Evaluation | None
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
    root: Path = Path(),
    base: Path | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    start_over: str = "train(…, resume=False)",
) -> TrainingResult:
    """Train on shards of the Example noun; everything about the run lies in `out` (see `train.save.state`).

    `dataset_hash` names the dataset in the model card and, with the shards' contents and the settings, in the run's
    key. Paths in `config` are relative to `root`; `base` is the model of the training that it starts `from`. `resume`
    False starts over; `start_over` is what messages say for it. Raises TrainingError, InputError, StageError, and
    UsageFault for a path where nothing lies.
    """
    began = time.perf_counter()
    say = progress or silent
    said, config = config, config.at(root)
    if config.from_ is not None:
        config = replace(config, model=str(base))
    fresh = run_state(config, shards, dataset_hash)
    state = open_run(out, fresh, step=config.examples, resume=resume, start_over=start_over)
    if state.finished is not None and (out / "model").exists():
        say(Event(phase="train", message=f"{out} is a finished run with the same data and settings: reused"))
        return _result(out, state.finished, began, resumed_from=state.finished.steps, reused=True)

    chat = prepare_tokenizer(
        config,
        lambda shape: _scratch_tokenizer(shape, config, shards, out / "cache", say),
        lambda: read_split(shards, "train"),
    )
    tokens_key = key_of([fresh.made_of["shards"], *chat.identity])
    data, preflight = load(shards, chat, config, out / "cache", tokens_key, say)
    plan = make_plan(
        data.lengths,
        data.repeats,
        capacity=config.sequence_length,
        rows_per_step=max(1, config.tokens_per_step // config.sequence_length),
        epochs=config.epochs,
        max_steps=config.max_steps,
        seed=config.seed,
    )
    _write_preflight(out, preflight, plan)
    say(Event(phase="prepare", message=_summary(preflight, plan)))

    model = prepare_model(config, chat).to(best_device())
    runner = make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device))
    notes = list(runner.notes)
    test, validation = (_chosen(shards, split, config) for split in ("test", "validation"))
    if test is None:
        notes.append("no examples of split 'test': not evaluated before and after")
    if config.evaluate_every is not None and validation is None:
        notes.append("no examples of split 'validation': not evaluated on the way")
    for note in notes:
        say(Event(phase="prepare", message=note))
    before = _evaluate_before(runner, chat, config, test, out, say)

    optimizer = make_optimizer(model, config)
    done = _restore(out, fresh.key, model, optimizer, say)
    rewind(out / "metrics.jsonl", done)

    def measure(step: int) -> dict[str, float]:
        if config.evaluate_every is None or validation is None or step % config.evaluate_every:
            return {}
        loss = _evaluate(runner, chat, config, validation, 0).overall.loss
        if loss is None:
            return {}
        say(Event(phase="evaluate", message=f"step {step}: validation loss {loss:.4f}"))
        return {"validation_loss": loss}

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

    run_steps(done, plan, data, runner, optimizer, config, out / "metrics.jsonl", say, measure, save)

    after = None if test is None else _evaluate(runner, chat, config, test, config.generations)
    card = model_card(
        said,
        base=fresh.made_of["model"],
        dataset_hash=dataset_hash,
        key=fresh.key,
        steps=plan.steps,
        parameters=model.num_parameters(),
        preflight=preflight,
        before=before,
        after=after,
    )
    say(Event(phase="export", message=f"writing {out / 'model'}"))
    export(runner, chat, card, out / "model")
    write_evaluations(out / "evaluation.json", BeforeAfter(before=before, after=after))
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


def _evaluate(
    runner: Runner, chat: ChatFormat, config: Training, examples: pl.DataFrame, generations: int
) -> Evaluation:
    return evaluate_examples(
        runner,
        chat,
        examples,
        by=SLICES,
        max_tokens=config.sequence_length,
        generations=generations,
        precision=config.precision,
    )


def _evaluate_before(
    runner: Runner, chat: ChatFormat, config: Training, test: pl.DataFrame | None, out: Path, say: Progress
) -> Evaluation | None:
    """Measured once: the file stands before the first step, and a run that goes on reads it."""
    if test is None:
        return None
    path = out / "evaluation.json"
    if path.exists():
        return read_evaluations(path).before
    say(Event(phase="evaluate", message=f"{test.height:,} test examples, before training"))
    before = _evaluate(runner, chat, config, test, config.generations)
    write_evaluations(path, BeforeAfter(before=before))
    return before


def _restore(out: Path, key: str, model: Any, optimizer: Any, say: Progress) -> int:
    path = checkpoint.latest(out / "checkpoints")
    if path is None:
        return 0
    done = checkpoint.restore(path, key=key, model=model, optimizer=optimizer)
    say(Event(phase="train", message=f"going on after step {done}"))
    return done


def _write_preflight(out: Path, preflight: Preflight, plan: Plan) -> None:
    names = ("rows", "trained", "tokens", "supervised_tokens", *LOST)
    named = preflight.dropped.with_columns(step=pl.lit(f"training '{out.name}'"))
    named.write_parquet(out / "dropped.parquet")
    write_json(
        out / "preflight.json",
        {
            "table": preflight.table.to_dicts(),
            "total": {name: preflight.total(name) for name in names},
            "steps": plan.steps,
            "rows_per_step": plan.rows_per_step,
            "fill": plan.fill,
        },
    )


def _summary(preflight: Preflight, plan: Plan) -> str:
    kept, rows = preflight.total("trained"), preflight.total("rows")
    return (
        f"{kept:,} of {rows:,} examples, {preflight.total('tokens'):,} tokens, "
        f"{preflight.total('supervised_tokens'):,} supervised; {plan.steps:,} steps, rows {plan.fill:.1%} full"
    )


def _result(out: Path, finished: Finished, began: float, *, resumed_from: int, reused: bool) -> TrainingResult:
    path = out / "evaluation.json"
    evaluations = read_evaluations(path) if path.exists() else BeforeAfter(before=None)
    return TrainingResult(
        model=out / "model",
        before=evaluations.before,
        after=evaluations.after,
        steps=finished.steps,
        resumed_from=resumed_from,
        reused=reused,
        seconds=time.perf_counter() - began,
        notes=tuple(finished.notes),
    )
