"""Checkpoints: everything that the next step depends on, written beside and renamed into place.

    checkpoints/step-00000200/
      shard-*.safetensors   trained weights and optimizer state, each rank's slices in a file of its own
      checkpoint.json       step, key of the run, validation loss, what else the next step depends on

One exists whole or not at all. Written by any number of ranks, it is read by any other number: a slice says where it
belongs. The data order needs no place in it, being a function of the plan and the step, nor does the random state,
which is set anew in each step; nor do frozen weights, which the base model has. Nothing of it is pickled, so that a
checkpoint from elsewhere runs no code.
"""

from __future__ import annotations

import logging
import math
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from instructkit.errors import TrainingError, first_line
from instructkit.store.atomic import write_text
from instructkit.train.step.ranks import Ranks

_PREFIX = "step-"
_OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True, ignore_frozen_params=True, strict=False)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`checkpoint.json`."""

    step: int
    """Steps that were done."""
    key: str
    """Of the run."""
    due: bool = True
    """Whether it is one of every so many steps, or of the last; else it is there for its loss only."""
    validation_loss: float | None = None
    """That which early stopping looks at, if it does."""
    extra: dict[str, Any] = {}
    """What the next step depends on beside weights and optimizer."""


def save(
    folder: Path,
    about: Checkpoint,
    *,
    model: Any,
    optimizer: torch.optim.Optimizer,
    ranks: Ranks,
    keep: int,
    keep_best: int,
) -> None:
    """Write the state, then remove all but the latest `keep` due checkpoints and the best `keep_best`, on every rank.

    The folder must be the same for all ranks, on one disk or a shared one.
    """
    beside = folder / f".writing-{about.step:08d}"
    ranks.alone(lambda: _make(folder, beside))
    state = {**_weights(model), **_moments(model, optimizer)}
    with _quiet_alone() as alone:
        writer = HuggingFaceStorageWriter(str(beside), save_distributed=True)
        state_dict_saver.save(state, storage_writer=writer, no_dist=alone)
    ranks.alone(lambda: _finish(folder, beside, about, keep, keep_best))


def _make(folder: Path, beside: Path) -> None:
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover)
    beside.mkdir(parents=True)


def _finish(folder: Path, beside: Path, about: Checkpoint, keep: int, keep_best: int) -> None:
    write_text(beside / "checkpoint.json", msgspec.json.encode(about).decode())
    final = folder / f"{_PREFIX}{about.step:08d}"
    if final.exists():  # the same step of the same run: the same bytes
        shutil.rmtree(final)
    beside.rename(final)
    found = checkpoints(folder)
    kept = {*due(folder)[-keep:], *_by_loss(found)[:keep_best]}
    for path in found:
        if path not in kept:
            shutil.rmtree(path)


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, the latest last."""
    return sorted(p for p in folder.glob(f"{_PREFIX}*") if (p / "checkpoint.json").exists())


def due(folder: Path) -> list[Path]:
    """Those that are not there for their loss only, the latest last."""
    return [path for path in checkpoints(folder) if read_about(path).due]


def best(folder: Path) -> Path | None:
    """The checkpoint with the lowest validation loss, the earliest of equals; None where none has one."""
    found = _by_loss(checkpoints(folder))
    return found[0] if found else None


def _by_loss(paths: list[Path]) -> list[Path]:
    losses = {path: read_about(path).validation_loss for path in paths}
    return sorted((p for p in paths if losses[p] is not None), key=lambda p: (losses[p], p))


def is_among_best(folder: Path, loss: float, keep_best: int) -> bool:
    """Whether a validation loss is lower than that of one of the best `keep_best` checkpoints, or these are fewer."""
    losses = [read_about(path).validation_loss for path in checkpoints(folder)]
    known = sorted(x for x in losses if x is not None)
    return math.isfinite(loss) and (len(known) < keep_best or loss < known[keep_best - 1])


def read_about(path: Path) -> Checkpoint:
    """What a checkpoint says of itself. Raises TrainingError."""
    try:
        return msgspec.json.decode((path / "checkpoint.json").read_bytes(), type=Checkpoint)
    except (OSError, msgspec.MsgspecError) as error:
        raise TrainingError(_unreadable(path, error)) from error


def check(path: Path, key: str) -> None:
    """Raises TrainingError for another run's checkpoint."""
    found = read_about(path).key
    if found != key:
        raise TrainingError(f"{path}: belongs to another run (key {found}, expected {key})")


def restore(path: Path, *, model: Any, optimizer: torch.optim.Optimizer) -> Checkpoint:
    """Put weights and optimizer back, on every rank; what the checkpoint says. Raises TrainingError."""
    about = read_about(path)
    weights, state = _weights(model), _moments(model, optimizer)
    _read(path, {**weights, **state})
    set_model_state_dict(model, weights, options=_OPTIONS)
    # Rates and decay come from the settings of the run, not from the checkpoint.
    settings = get_optimizer_state_dict(model, optimizer, options=_OPTIONS)
    set_optimizer_state_dict(model, optimizer, {**settings, **state}, options=_OPTIONS)
    return about


def restore_weights(path: Path, model: Any) -> None:
    """Put the trained weights of a checkpoint into the model, and leave the optimizer. Raises TrainingError."""
    weights = _weights(model)
    _read(path, weights)
    set_model_state_dict(model, weights, options=_OPTIONS)


def _weights(model: Any) -> dict[str, Any]:
    """Trained parameters and buffers by name; what two names share stands under the first."""
    named = get_model_state_dict(model, options=_OPTIONS)
    shared = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    shared -= {name for name, _ in model.named_parameters()}
    return {name: value for name, value in named.items() if name not in shared}


def _moments(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's tensors: `state.<parameter>.exp_avg` and so on; zeros before the first step."""
    flat = get_optimizer_state_dict(model, optimizer, options=_OPTIONS)
    return {name: value for name, value in flat.items() if name.startswith("state.")}


def _read(path: Path, into: dict[str, Any]) -> None:
    loader = logging.getLogger("torch.distributed.checkpoint.state_dict_loader")
    loader.disabled = True  # it logs the traceback of what is raised anyway
    try:
        with _quiet_alone() as alone:
            state_dict_loader.load(into, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=alone)
    except (OSError, RuntimeError, ValueError, SafetensorError, CheckpointException) as error:
        raise TrainingError(_unreadable(path, error)) from error
    finally:
        loader.disabled = False


@contextmanager
def _quiet_alone() -> Iterator[bool]:
    """Whether this process trains alone, without torch's warning that it does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        yield not torch.distributed.is_initialized()


def _unreadable(path: Path, error: BaseException) -> str:
    if isinstance(error, CheckpointException):
        error = next(iter(error.failures.values()))[0]
    way_out = "remove the folder to go on from an earlier one, or from the beginning"
    return f"{path}: cannot be read ({first_line(error)}); {way_out}"
