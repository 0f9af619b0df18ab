"""A training from shards of examples to a model directory.

    shards ─▶ tokenizer ─▶ tokens, preflight ─▶ plan ─▶ evaluate ─▶ steps ─▶ evaluate ─▶ model/
                                                          └── test split ──────┘

Stopped at any moment, the same call goes on where it was; once finished, it returns at once. Under torchrun every rank
makes this call: what one has to do for all is behind `ranks.alone`, what each has to do for itself behind `in_turn`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.evaluate.answers import Declared
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, read_evaluations
from instructkit.models.gguf import is_gguf, unpack_gguf
from instructkit.store.atomic import locked_file
from instructkit.train.build import build_runner, make_stepper
from instructkit.train.config.ledger import Ledger
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData, load
from instructkit.train.data.plan import Plan
from instructkit.train.data.preflight import Preflight
from instructkit.train.data.source import open_source
from instructkit.train.evaluations import Evaluations
from instructkit.train.finish import finish
from instructkit.train.job import Job
from instructkit.train.save.lineage import Lineage
from instructkit.train.save.saves import Saves
from instructkit.train.save.state import Finished, RunState, asked_since, open_run, run_state
from instructkit.train.step.loop import run_steps
from instructkit.train.step.parallel import Parallel
from instructkit.train.step.ranks import joined
from instructkit.train.step.stopping import stops
from instructkit.train.watch.flops import Costs, model_costs
from instructkit.train.watch.ledger import Bookkeeper
from instructkit.train.watch.meter import Meter
from instructkit.train.watch.peak import device_peak
from instructkit.train.watch.progress import Progress, silent
from instructkit.train.watch.recorder import Recorder, read_metrics
from instructkit.train.watch.trackers import open_trackers


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
    placed = config.at(root)
    if config.from_ is not None:
        placed = replace(placed, model=str(base))
    with joined() as ranks, ExitStack() as held:
        job = Job(
            said=config,
            config=placed,
            shards=shards,
            out=out,
            root=root,
            lineage=lineage or Lineage(dataset=dataset_hash),
            metrics=metrics or {},
            start_over=start_over,
            ranks=ranks,
            progress=progress if progress is not None and ranks.first else silent,
        )
        ranks.alone(lambda: _hold(out, held))
        fresh, state = ranks.alone(lambda: _begin(job, dataset_hash, resume))
        if state.finished is not None and (out / "model").exists():
            job.say("train", f"{out} is a finished run with the same data and settings: reused")
            if asked := asked_since(state, fresh):
                job.say("train", f"of no effect on a finished run: {'; '.join(asked)}")
                job.say("train", f"`instructkit eval` scores its replies; anything else means anew: {start_over}")
            return _result(out, state.finished, began, resumed_from=state.finished.steps, reused=True)
        done, finished = _train(job, fresh, began)
        return _result(out, finished, began, resumed_from=done, reused=False)


def _hold(out: Path, held: ExitStack) -> None:
    """Keep other processes away from the run. Raises TrainingError."""
    try:
        held.enter_context(locked_file(out / ".lock", alone=True))
    except BlockingIOError:
        raise TrainingError(f"{out} is being trained by another process; wait for it to end") from None


def _begin(job: Job, dataset_hash: str, resume: bool) -> tuple[RunState, RunState]:
    fresh = run_state(job.config, job.shards, dataset_hash, job.out)
    return fresh, open_run(job.out, fresh, step=job.config.examples, resume=resume, start_over=job.start_over)


def _train(job: Job, state: RunState, began: float) -> tuple[int, Finished]:
    """The stations, one after the other. The steps that were done before this call, and the result."""
    ranks, out = job.ranks, job.out
    job = _with_model(job)
    config = job.config
    chat, data, preflight, plan = _prepare(job, state)
    evaluations = ranks.in_turn(lambda: Evaluations(job, chat, plan.steps))
    runner, adapted = ranks.in_turn(lambda: build_runner(config, chat, data, plan))
    trained = runner.model.num_parameters(only_trainable=True)
    job.note(*adapted.notes, *runner.notes)
    ranks.alone(lambda: evaluations.before(runner))

    costs = model_costs(runner.model, head_on_supervised=runner.head is not None)
    stepper = make_stepper(runner, adapted, config, data, plan, ranks)
    parallel = stepper.parallel
    if config.parallel == "fsdp2" and parallel.kind == "one":
        job.note("parallel: fsdp2 shares a training among processes; this is one, so it changes nothing")
    meter = _meter(job, costs, parallel)
    stepper.waiting = meter.waiting
    stepper.say = lambda message: job.say("train", message)
    saves = Saves(out / "checkpoints", state.key, config, stepper)
    done = saves.restore(job.progress)
    book = _open_book(job, data, plan, done)
    if book is not None and not done:
        with parallel.whole():
            book.before(runner, config.precision, job.progress)

    def measure(step: int) -> dict[str, Any]:
        return parallel.alone(lambda: evaluations.on_the_way(runner, step)) if evaluations.due(step) else {}

    recorder = _recorder(job, meter, state, book, done, plan)
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
    job.note(*saves.choose(steps, job.progress))
    if book is not None:
        with parallel.whole():
            book.after(runner, config.precision, job.progress)
    whole = parallel.whole_runner(lambda: build_runner(config, chat, data, plan)[0])
    finished = ranks.alone(
        lambda: finish(
            job,
            whole,
            chat,
            data,
            plan,
            preflight,
            evaluations,
            book,
            state,
            steps=steps,
            trained=trained,
            began=began,
        )
    )
    return done, finished


def _with_model(job: Job) -> Job:
    """The job with a model that can be loaded: a GGUF file is unpacked."""
    model = job.config.model
    if not isinstance(model, str) or not is_gguf(model):
        return job
    job.say("prepare", "a GGUF file is unpacked once, and kept for later starts")
    folder = job.ranks.in_turn(lambda: unpack_gguf(Path(model), job.cache))
    return replace(job, config=replace(job.config, model=str(folder)))


def _prepare(job: Job, state: RunState) -> tuple[ChatFormat, TrainingData, Preflight, Plan]:
    """Everything that can be known without the model's weights. Raises TrainingError where too much would be lost."""
    config, ranks, digests = job.config, job.ranks, state.made_of["shards"]
    chat, source = ranks.in_turn(lambda: open_source(config, job.shards, digests, job.cache, job.progress))
    data, preflight = ranks.in_turn(lambda: load(source, config, job.cache, job.progress))

    def plan() -> Plan:
        preflight.save(job.out, job.out.name)
        job.say("prepare", "\n  ".join(["what becomes of the examples", *preflight.lines(config.overlong)]))
        preflight.refuse(config)
        made = data.plan(config)
        figures = data.figures(made)
        preflight.save(job.out, job.out.name, figures)
        job.say("prepare", figures.line())
        return made

    return chat, data, preflight, ranks.alone(plan)


def _meter(job: Job, costs: Costs, parallel: Parallel) -> Meter:
    peak = device_peak(parallel.device, parallel.dtype)
    job.say("prepare", f"MFU is a share of {peak.flops / 1e12:.3g} TFLOP/s ({peak.source})")
    recomputed = job.config.activation_checkpointing
    return Meter(costs, peak, parallel.device, devices=job.ranks.size, recomputed=recomputed)


def _open_book(job: Job, data: TrainingData, plan: Plan, done: int) -> Bookkeeper | None:
    config, ranks = job.config, job.ranks
    if config.ledger is False:
        return None
    options = config.ledger if isinstance(config.ledger, Ledger) else Ledger()
    folder = job.out / "ledger"
    return Bookkeeper(options, folder, job.shards, data, plan, config.seed, done, rank=ranks.rank, ranks=ranks.size)


def _recorder(job: Job, meter: Meter, state: RunState, book: Bookkeeper | None, done: int, plan: Plan) -> Recorder:
    first, trackers = job.ranks.first, job.config.trackers
    return Recorder(
        job.out / "metrics.jsonl" if first else None,
        meter,
        job.progress,
        done=done,
        steps=plan.steps,
        trackers=open_trackers(trackers, job.out, done, state.made_of["config"]) if first else (),
        journal=None if book is None else book.journal,
    )


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
