"""When to stop before the last step: a function of the losses measured so far, so a resumed run decides the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instructkit.errors import TrainingError, did_you_mean
from instructkit.evaluate.result import Evaluation
from instructkit.train.config.stopping import EarlyStopping

WATCHED = "watched_loss"
"""Key in metrics.jsonl of the loss that decides, where that is not `validation_loss` itself."""


def without_gain(losses: Sequence[float], min_change: float) -> int:
    """How many of the last losses lie at no new lowest, one that is lower than all before by more than `min_change`.

    Example: [3.0, 2.0, 2.1, 1.95], 0.1 -> 2.
    """
    best, since = float("inf"), 0
    for loss in losses:
        if loss < best - min_change:
            best, since = loss, 0
        else:
            since += 1
    return since


def stops(config: EarlyStopping | None, lines: Sequence[dict[str, Any]]) -> bool:
    """Whether a training stops after these lines of metrics.jsonl, those that have a validation loss."""
    if config is None:
        return False
    found = [line.get(WATCHED, line["validation_loss"]) for line in lines]
    losses = [float("inf") if loss is None else loss for loss in found]  # None: read again, and was not finite
    return without_gain(losses, config.min_change) >= config.patience


def watched_loss(config: EarlyStopping | None, evaluation: Evaluation) -> dict[str, float]:
    """The loss that decides, for the line of metrics.jsonl; nothing where it is that of all validation examples.

    Raises TrainingError for a slice that no validation example belongs to, or of which none is trained on.
    """
    if config is None or config.slice == "all":
        return {}
    by, _, name = config.slice.partition("=")
    losses = evaluation.losses().get(by, {})
    check_slice(config, list(losses))
    return {WATCHED: losses[name]}


def check_slice(config: EarlyStopping, known: Sequence[str]) -> None:
    """Raises TrainingError unless the slice that decides is one of those `known` of its column."""
    by, _, name = config.slice.partition("=")
    if name not in known:
        raise TrainingError(
            f"early_stopping: no validation examples of {by} '{name}'{did_you_mean(name, known)} "
            f"(there are {', '.join(known) or 'none'})"
        )
