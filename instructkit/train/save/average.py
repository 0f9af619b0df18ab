"""The mean of several checkpoints' weights.

Source: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, section 6.1 (the last 5 checkpoints).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from instructkit.errors import TrainingError

T = TypeVar("T")


def average(model: Any, checkpoints: Sequence[T], load: Callable[[T], object]) -> None:
    """Leave the mean of the checkpoints' trained weights in the model; `load` puts the weights of one into it.

    In fp32, always in the order given: the same bits each time. Holds one copy of what is trained. Raises TrainingError
    where there are none.
    """
    if not checkpoints:
        raise TrainingError("average_checkpoints: there is no checkpoint; set a smaller checkpoint_every")
    trained = [p for p in model.parameters() if p.requires_grad]
    mean = [torch.zeros_like(p, requires_grad=False) for p in trained]
    with torch.no_grad():
        for checkpoint in checkpoints:
            load(checkpoint)
            for into, parameter in zip(mean, trained, strict=True):
                into.add_(parameter.detach() / len(checkpoints))
        for parameter, value in zip(trained, mean, strict=True):
            parameter.copy_(value)
