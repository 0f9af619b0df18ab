"""AdamW and its schedule."""

from __future__ import annotations

import math
from typing import Any

import torch

from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training

NEW_MODEL_RATE = 2e-3
PRETRAINED_RATE = 2e-5
"""Full fine-tuning of instruction models: 1e-5 to 2e-5 (Tülu 3, arXiv:2411.15124, table 11)."""


def highest_rate(config: Training) -> float:
    """The learning rate after warm-up."""
    if config.learning_rate is not None:
        return config.learning_rate
    return NEW_MODEL_RATE if isinstance(config.model, Scratch) else PRETRAINED_RATE


def rate_at(step: int, steps: int, config: Training) -> float:
    """Learning rate of a step (from 0): a line up from 0, then half a cosine down to the minimum."""
    highest = highest_rate(config)
    rising = round(config.warmup * steps)
    if step < rising:
        return highest * (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    low = config.min_learning_rate
    return highest * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


def make_optimizer(model: Any, config: Training) -> torch.optim.AdamW:
    """AdamW that decays matrices (weights of two or more dimensions) and leaves norms and biases alone."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=config.betas, fused=fused)
