"""What of a model is trained: all of it, all but what is frozen, or an adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instructkit.models.load import load_tokenizer
from instructkit.train.config.training import Training
from instructkit.train.model.adapters import Adapted, adapt
from instructkit.train.model.dropout import set_dropout
from instructkit.train.model.freeze import freeze, trained_share
from instructkit.train.step.perturb import make_perturbation


def make_trainable(model: Any, config: Training, steps: int, tokenizer: Any) -> Adapted:
    """The model as the training's `adapter`, `freeze` and `dropout` want it.

    `steps`: of the plan. `tokenizer`: as it is trained with. Raises TrainingError.
    """
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    adapted = Adapted(model)
    notes = []
    if config.adapter is not None:
        # Tokens that the chat format has added stand behind the model's own.
        new = range(len(load_tokenizer(config.pretrained)), len(tokenizer))
        adapted = adapt(model, config.adapter, steps=steps, new_tokens=new)
        if new:
            words = ", ".join(repr(tokenizer.convert_ids_to_tokens(i)) for i in new)
            notes.append(f"tokens that the model does not know are trained beside the adapter: {words}")
    elif config.freeze is not None:
        freeze(model, config.freeze)
    if share := trained_share(adapted.model):
        notes.append(share)
    make_perturbation(adapted.model, config)  # refuses now what else it would only when the first step is near
    return replace(adapted, notes=tuple(notes))
