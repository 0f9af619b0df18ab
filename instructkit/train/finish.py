"""From trained weights to a model folder: rounded, measured, described, written, read again."""

from __future__ import annotations

import os
import shutil
import time

import msgspec
import numpy as np

from instructkit.chat.rendering import ChatFormat
from instructkit.evaluate.result import write_evaluations
from instructkit.models.runner import Runner
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Plan
from instructkit.train.data.preflight import Preflight
from instructkit.train.evaluations import Evaluations
from instructkit.train.job import Job
from instructkit.train.model.prepare import load_base
from instructkit.train.save.card import Outcome, model_card
from instructkit.train.save.export import export
from instructkit.train.save.state import Finished, RunState, write_run
from instructkit.train.save.weights import NAMES, finish_weights, saved_dtype
from instructkit.train.watch.curve import draw_curve
from instructkit.train.watch.ledger import Bookkeeper


def finish(
    job: Job,
    runner: Runner,
    chat: ChatFormat,
    data: TrainingData,
    plan: Plan,
    preflight: Preflight,
    evaluations: Evaluations,
    book: Bookkeeper | None,
    state: RunState,
    *,
    steps: int,
    trained: int,
    began: float,
) -> Finished:
    """Everything behind the last step, on one rank. `trained`: parameters; `began`: of the call, by `perf_counter`."""
    config, out = job.config, job.out
    dtype, probe = saved_dtype(config), data.typical(4)
    finish_weights(runner, config, dtype, probe)
    found, rows = evaluations.after(runner)
    if book is not None:
        job.notes.extend(book.write(out / "ledger.parquet", rows))
    base = None  # of an adapter folder: its name, and what loads it
    if config.adapter is not None and not config.adapter.merges:
        name = str(job.said.model or os.path.relpath(config.pretrained, job.root))
        base = (name, lambda: load_base(config, runner.kind))
    met = plan.met(steps)
    outcome = Outcome(
        kind=runner.kind,
        steps=steps,
        examples=len(np.unique(met)),
        supervised_tokens=int(data.supervised[met].sum()),
        parameters=runner.model.num_parameters(),
        trained=trained,
        saved_as=NAMES[dtype],
        adapter_of=base and base[0],
        chat=not chat.plain and chat.reads != "document",
        notes=job.notes,
        before=found.before,
        after=found.after,
        changes=found.changes,
    )
    card = model_card(
        out.name,
        job.said,
        outcome,
        lineage=job.lineage,
        base=state.made_of["model"],
        made_of=state.made_of,
        key=state.key,
        preflight=preflight,
        shards=job.shards,
    )
    job.say("export", f"writing {out / 'model'}")
    export(runner, chat, card, out / "model", probe=probe, dtype=dtype, base=base)
    write_evaluations(out / "evaluation.json", found)
    try:
        job.notes.extend(draw_curve(out))
    except Exception as error:  # a picture must not cost the training
        job.notes.append(f"no loss curve is drawn: {type(error).__name__}: {error}")
    finished = Finished(steps=steps, seconds=time.perf_counter() - began, notes=job.notes)
    write_run(out, msgspec.structs.replace(state, finished=finished))
    for name in ("checkpoints", "ledger"):
        shutil.rmtree(out / name, ignore_errors=True)
    return finished
