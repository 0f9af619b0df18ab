"""Weights that stay as they are."""

from __future__ import annotations

import re
from typing import Any

from instructkit.errors import TrainingError, did_you_mean
from instructkit.train.config.freeze import Freeze
from instructkit.train.model.layers import embedding_names, layer_of, stacks


def freeze(model: Any, config: Freeze) -> None:
    """Take the gradient from what `config` names.

    Raises TrainingError where a key matches nothing, and where nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    frozen = {name for pattern in config.patterns for name in _matched(pattern, names)}
    if config.embeddings:
        frozen |= embedding_names(model)
    if config.layers is not None:
        frozen |= _below(model, names, config.layers, "layers")
    if config.top_layers_only is not None:
        frozen |= embedding_names(model)
        frozen |= _below(model, names, -config.top_layers_only, "top_layers_only")
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise TrainingError("freeze: nothing is left to train; name fewer layers or patterns")


def trained_share(model: Any) -> str:
    """How much of the model is trained, in words; `""` where all of it is."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained, whole = sum(n for n, yes in counts if yes), sum(n for n, _ in counts)
    return "" if trained == whole else f"{trained:,} of {whole:,} parameters are trained ({trained / whole:.2%})"


def _matched(pattern: str, names: list[str]) -> list[str]:
    found = [name for name in names if re.search(pattern, name)]
    if not found:
        parts = sorted({part for name in names for part in name.split(".") if not part.isdigit()})
        raise TrainingError(
            f"freeze: patterns: '{pattern}' matches no weight of the model{did_you_mean(pattern, [*parts, *names])} "
            f"(names are made of {', '.join(parts)})"
        )
    return found


def _below(model: Any, names: list[str], count: int, key: str) -> set[str]:
    """Names in the lowest `count` layers of each stack; a negative count leaves so many on top."""
    known = stacks(model)
    if not known:
        raise TrainingError(f"freeze: {key}: no layers are found in a {type(model).__name__}; use patterns")
    if abs(count) > min(known.values()):
        said = ", ".join(f"{stack} has {size}" for stack, size in known.items())
        raise TrainingError(f"freeze: {key} is {abs(count)}, but {said}")
    placed = {name: place for name in names if (place := layer_of(name, known)) is not None}
    return {n for n, (stack, index) in placed.items() if index < (count if count > 0 else known[stack] + count)}
