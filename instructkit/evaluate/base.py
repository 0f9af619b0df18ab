"""Column zero of a tuned model: what it was before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl

from instructkit.evaluate.run import Measurement, summary
from instructkit.models.load import kind_of, load_config

BEFORE = "evaluation/before.parquet"
"""In the folder of a training: losses of single test examples before the first step."""


class _Run(msgspec.Struct, frozen=True):
    """The part of a training's `run.json` that is read here; see `train.save.state`, which writes it."""

    base: str | None = None
    examples: str | None = None


def _run_of(model: str) -> _Run:
    try:
        return msgspec.json.decode((Path(model).parent / "run.json").read_bytes(), type=_Run)
    except (OSError, msgspec.MsgspecError):
        return _Run()


def examples_of(model: str) -> str | None:
    """The step whose examples a training's model folder was made from; None where the folder is none of a training."""
    return _run_of(model).examples


def base_of(model: str) -> str | None:
    """The model that a training's model folder was started from, a folder or hub name; None where that is not known,
    because it was new, or the folder is none of a training.
    """
    base = _run_of(model).base
    if base is None:
        return None
    beside = Path(model).parent / base
    return str(beside.resolve()) if beside.exists() else base


def comparable(model: str, base: str) -> bool:
    """Whether both are of one kind, classifiers with the same classes: else their losses are of different things.

    Raises TrainingError for a model that cannot be loaded.
    """
    ours, theirs = load_config(model), load_config(base)
    if kind_of(ours) != kind_of(theirs):
        return False
    return kind_of(ours) != "classifier" or ours.id2label == theirs.id2label


def measured_before(model: str, after: Measurement, by: list[str], seed: int = 0) -> Measurement | None:
    """What a training measured before its first step, of the examples that `after` has; None where it has none."""
    try:
        rows = pl.read_parquet(Path(model).parent / BEFORE, glob=False)
    except (OSError, pl.exceptions.PolarsError):
        return None
    rows = rows.join(after.rows, on=["id", "content_hash"], how="semi", maintain_order="left")
    if not rows.height:
        return None
    found = summary(rows, by, seed)
    if rows.height < after.rows.height:
        note = f"the model before training was measured on {rows.height:,} of these {after.rows.height:,} examples"
        found = msgspec.structs.replace(found, notes=[note])
    return Measurement(evaluation=found, rows=rows)
