"""The trained weights as they will be saved: the adapter added, the numbers rounded. In place, before the last
evaluation, so that what is measured is what is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from instructkit.errors import TrainingError
from instructkit.models.batch import Document
from instructkit.models.load import load_config
from instructkit.models.runner import Runner
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.model.adapters import forget, merge_adapter

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
LARGEST_DIFFERENCE = 1e-3
"""Of a token's loss in nats, between two ways to compute it in fp32. Seen: 1e-5."""


def saved_dtype(config: Training) -> torch.dtype:
    """The numbers that the result is saved in; adapters are small and always fp32."""
    if config.adapter is not None and not config.adapter.merges:
        return torch.float32
    if config.save_as != "auto":
        return next(dtype for dtype, name in NAMES.items() if name == config.save_as)
    own = None if isinstance(config.model, Scratch) else load_config(config.pretrained).dtype
    return own if own in NAMES else torch.float32


def finish_weights(runner: Runner, config: Training, dtype: torch.dtype, probe: Sequence[Document]) -> None:
    """Merge the adapter where it is to be merged, and round the weights to `dtype`, held in fp32 still.

    Raises TrainingError when the merged model gives other losses on `probe` than the adapter did, and for weights that
    do not fit the numbers.
    """
    if config.adapter is not None:
        if not config.adapter.merges:
            forget(runner.model)
            return
        beside = losses(runner, probe)
        merge_adapter(runner.model)
        difference = float((losses(runner, probe) - beside).abs().max())
        if not difference <= LARGEST_DIFFERENCE:
            raise TrainingError(
                f"adapter: added to the model's weights it gives other losses, by up to {difference:.1e} nats; "
                "set adapter: {merge: false}"
            )
    round_weights(runner.model, dtype)


def round_weights(model: Any, dtype: torch.dtype) -> None:
    """Give the weights values that `dtype` can hold. Raises TrainingError for those too large for it."""
    if dtype == torch.float32:
        return
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rounded = parameter.to(dtype)
            if not torch.isfinite(rounded).all():
                raise TrainingError(f"save_as: {name} holds numbers that {NAMES[dtype]} cannot; set save_as: fp32")
            parameter.copy_(rounded)


def losses(runner: Runner, documents: Sequence[Document]) -> torch.Tensor:
    """[N] float32, on the CPU: the loss of each trained token, each document by itself."""
    training = runner.model.training
    runner.model.eval()
    with torch.inference_mode():
        batches = [runner.collate([document]).to(runner.model.device) for document in documents]
        found = torch.cat([runner.losses(batch)[1].float().cpu() for batch in batches])
    runner.model.train(training)
    return found
