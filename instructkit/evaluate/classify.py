"""What a classifier says of examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from instructkit.evaluate.losses import BATCH_TOKENS
from instructkit.models.batch import Document, groups
from instructkit.models.load import Precision, autocast, compute_dtype
from instructkit.models.runner import Runner


def classify(runner: Runner, documents: Sequence[Document], precision: Precision = "auto") -> list[int]:
    """The likeliest class of each document's text, whatever class stands behind it."""
    chosen = [0] * len(documents)
    with (
        runner.generating() as model,
        torch.inference_mode(),
        autocast(model.device, compute_dtype(precision, model.device)),
    ):
        for group in groups([len(document.ids) for document in documents], BATCH_TOKENS, runner.layout):
            batch = runner.collate([documents[i] for i in group]).to(model.device)
            best = model(**batch.inputs()).logits.argmax(-1)
            for i, number in zip(group, best.tolist(), strict=True):
                chosen[i] = number
    return chosen
