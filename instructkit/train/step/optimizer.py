"""AdamW over the weights that are trained: which of them decay, and which learn at what share of the rate."""

from __future__ import annotations

from typing import Any

import torch

from instructkit.train.config.training import Training
from instructkit.train.model.layers import layer_heights, token_tables
from instructkit.train.step.schedule import rate_at


def make_optimizer(model: Any, config: Training) -> torch.optim.AdamW:
    """AdamW over the parameters that require a gradient, in groups of one decay and one share of the rate each.

    Matrices decay (weights of two or more dimensions); norms and biases do not, nor do embeddings, and the head whether
    it shares their table or not: a token that the data does not hold has no gradient to stand against the decay. OLMo 2
    leaves embeddings out too (arXiv:2501.00656).
    """
    tables, heights = token_tables(model), layer_heights(model)
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        plain = parameter.ndim < 2 or name in tables
        share = 1.0 if config.layer_decay is None else config.layer_decay ** heights[name]
        groups.setdefault((0.0 if plain else config.weight_decay, share), []).append(parameter)
    fused = all(p.device.type in ("cpu", "cuda") for parameters in groups.values() for p in parameters)
    described = [
        {"params": parameters, "weight_decay": decay, "share": share} for (decay, share), parameters in groups.items()
    ]
    return torch.optim.AdamW(described, lr=0.0, betas=config.betas, fused=fused)


def set_rates(optimizer: torch.optim.Optimizer, step: int, steps: int, config: Training) -> float:
    """Give each group its share of the learning rate of a step (from 0) of `steps`, which is returned."""
    rate = rate_at(step, steps, config)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    return rate
