"""Checkpoints: everything that the next step depends on, written beside and renamed into place.

    checkpoints/step-00000200/state.pt     weights, optimizer, random state, step, key of the run

One exists whole or not at all. The data order needs no place in it: it is a function of the plan and the step.
"""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from instructkit.errors import TrainingError

_PREFIX = "step-"


def save(folder: Path, *, step: int, key: str, model: Any, optimizer: torch.optim.Optimizer, keep: int) -> None:
    """Write the state after `step` steps, then remove all but the latest `keep` checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    beside = folder / f".writing-{step:08d}"
    beside.mkdir()
    state = {
        "step": step,
        "key": key,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with (beside / "state.pt").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    final = folder / f"{_PREFIX}{step:08d}"
    if final.exists():  # the same step of the same run: the same bytes
        shutil.rmtree(final)
    beside.rename(final)
    for old in _all(folder)[:-keep]:
        shutil.rmtree(old)


def latest(folder: Path) -> Path | None:
    """The checkpoint of the highest step, if there is one."""
    found = _all(folder)
    return found[-1] if found else None


def restore(path: Path, *, key: str, model: Any, optimizer: torch.optim.Optimizer) -> int:
    """Put the state back; the number of steps that are done. Raises TrainingError for another run's checkpoint."""
    try:
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); remove the folder to go on from an earlier one"
        ) from error
    if state["key"] != key:
        raise TrainingError(f"{path}: belongs to another run (key {state['key']}, expected {key})")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return int(state["step"])


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob(f"{_PREFIX}*") if (p / "state.pt").exists())


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover)
