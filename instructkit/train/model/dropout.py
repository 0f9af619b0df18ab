"""The dropouts of a model, whatever they are called."""

from __future__ import annotations

from typing import Any

import torch

from instructkit.errors import TrainingError


def set_dropout(model: Any, share: float) -> int:
    """Set every dropout inside a model; how many there are. Its config, and so what is saved, stays as it was.

    Dropouts are modules (`nn.Dropout`) or numbers that a module keeps (`attention_dropout` of Llama, `dropout_p`), not
    `layerdrop`, which leaves out whole layers. Raises TrainingError for a model without any.
    """
    found = 0
    for module in model.modules():
        names = [name for name, value in vars(module).items() if "drop" in name and type(value) in (float, int)]
        for name in ["p"] if isinstance(module, torch.nn.Dropout) else [n for n in names if "layer" not in n]:
            setattr(module, name, share)
            found += 1
    if not found:
        raise TrainingError(f"dropout: a {type(model).__name__} has none to set; leave it out")
    return found
