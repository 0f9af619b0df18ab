"""A model asked, before it is trained, whether a document gets in company what it gets alone.

reference   each document by itself, with the attention that the model brought and a mask of ones, as anyone calls it
packed      all in one row                 every hidden state as in the reference; and no trace of poison (NaN) put
                                           into a neighbour, however small the weights between them are (0 · NaN is NaN)
padded      all in one batch of rows       as in the reference
later       another last token             changes nothing before it, or the model knows what it is to predict
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from instructkit.models.batch import Batch, Document
from instructkit.models.load import Kind

TOLERANCE = 1e-3
"""Largest difference of a hidden state, relative to the largest of its row. Seen in fp32: 1e-6 where documents are
isolated, above 1e-1 where they are not."""
HALF_TOLERANCE = 5e-2
"""The same in half precision."""
STRAY_ROWS = 0.02
"""Share of a document's rows that may differ: two experts that a token likes equally can change places by rounding."""
LENGTHS = (17, 29)
"""Tokens of the documents on both sides of the longest; longer than a convolution reaches."""

Hidden = Callable[[Batch], torch.Tensor]


def probe_documents(vocabulary: int, longest: int, kind: Kind, config: Any) -> list[Document]:
    """A short one, the longest, a short one; tokens do not repeat in step. Of those that are read first, half is read;
    of a classifier's, all but the class, and the text ends in an end token and has no other (BART reads there).
    """
    documents = []
    for i, length in enumerate((LENGTHS[0], longest, LENGTHS[1])):
        n = max(2, min(length, longest))
        ids = ((np.arange(n) * 31 + 7 * i + 5) % vocabulary).astype(np.int32)
        end = config.get_text_config().eos_token_id
        if kind == "classifier":
            if isinstance(end, int) and n > 2:
                ids[ids == end] = (end + 1) % vocabulary
                ids[-2] = end
            ids[-1] = i % config.num_labels
        read = {"causal": 0, "seq2seq": n // 2, "classifier": n - 1}[kind]
        documents.append(Document(ids, np.ones(n, dtype=np.float32), read))
    return documents


def differences(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> float:
    """How far documents [rows, D] are from the same elsewhere, stray rows left out; above 1 is too far."""
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or not torch.isfinite(a).all():
            return float("inf")
        scale = b.float().abs().amax(-1).clamp(min=1e-6)
        rows = ((a.float() - b.float()).abs().amax(-1) / scale).sort(descending=True).values
        stray = int(len(rows) * STRAY_ROWS)
        half = a.dtype in (torch.float16, torch.bfloat16)
        worst = max(worst, float(rows[stray]) / (HALF_TOLERANCE if half else TOLERANCE))
    return worst


def leaks(embedding: torch.nn.Module, lengths: Sequence[int], run: Callable[[], torch.Tensor]) -> bool:
    """Whether anything of a document reaches a neighbour in the packed row that `run` gives the hidden states of."""
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    for poisoned in (owner % 2 == 0, owner % 2 == 1):

        def poison(module: torch.nn.Module, inputs: object, output: torch.Tensor, at: Any = poisoned) -> torch.Tensor:
            return output.masked_fill(at.to(output.device)[None, :, None], float("nan"))

        handle = embedding.register_forward_hook(poison)
        try:
            clean = run()[~poisoned]
        finally:
            handle.remove()
        if not torch.isfinite(clean).all():
            return True
    return False
