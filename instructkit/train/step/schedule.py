"""The learning rate of each step.

cosine, linear   ╱╲___      wsd   ╱────╲      constant   ╱─────
"""

from __future__ import annotations

import math

from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training

NEW_MODEL_RATE = 2e-3
PRETRAINED_RATE = 2e-5
"""Full fine-tuning of instruction models: 1e-5 to 2e-5 (Tülu 3, arXiv:2411.15124, table 11)."""
ADAPTER_RATE = 2e-4
"""Of adapters on models of up to 13 billion parameters (QLoRA, arXiv:2305.14314, appendix B.2); LoRA's own experiments
with GPT-2 and GPT-3 have 2e-4 too (arXiv:2106.09685, appendix D)."""


def highest_rate(config: Training) -> float:
    """The learning rate after warm-up."""
    if config.learning_rate is not None:
        return config.learning_rate
    if config.adapter is not None:
        return ADAPTER_RATE
    return NEW_MODEL_RATE if isinstance(config.model, Scratch) else PRETRAINED_RATE


def rate_at(step: int, steps: int, config: Training) -> float:
    """Learning rate of a step (from 0) of `steps`: a line up from 0, then as the schedule says.

    Sources: half a cosine, Loshchilov and Hutter, arXiv:1608.03983; warm-up, stable, decay: Hu et al., MiniCPM,
    arXiv:2404.06395, section 4 (a tenth of the steps for the decay is enough there), here with a line.
    """
    highest = highest_rate(config)
    rising = round(config.warmup * steps)
    if step < rising:
        return highest * (step + 1) / rising
    low = config.min_learning_rate
    if config.schedule == "constant":
        return highest
    if config.schedule == "wsd":
        falling = round(config.decay * steps)
        # The last step has the lowest rate, as the first of warm-up has the first above 0.
        left = steps - 1 - step
        return highest * (low + (1 - low) * min(1.0, left / falling)) if falling else highest
    progress = (step - rising) / max(1, steps - rising)
    share = 1 - progress if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return highest * (low + (1 - low) * share)
