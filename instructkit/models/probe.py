"""A model asked, before it is trained, whether a document gets in company what it gets alone.

reference   each document by itself, with the attention that the model brought; the short ones under a mask of ones
            too, as anyone calls it
packed      all in one row                 every hidden state as in the reference; and no trace of poison (NaN) put
                                           into a neighbour, however small the weights between them are (0 · NaN is NaN)
padded      all in one batch of rows       as in the reference
later       another token near the end     changes nothing before it, or the model knows what it is to predict
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from instructkit.models.batch import Batch, Document
from instructkit.models.load import Kind

TOLERANCE, STRAY_ROWS = 1e-3, 0.02
"""In fp32: largest difference of a hidden state, relative to the largest of its row, and the share of a document's rows
that may differ more: two experts that a token likes equally can change places by rounding. Seen: 1e-6 where documents
are isolated, above 1e-1 where they are not."""
ROUGH_TOLERANCE, ROUGH_STRAY_ROWS = 0.2, 0.5
"""The same in half precision, where rounding alone moves hidden states by some percent: only what is wrong everywhere
shows; small leaks are found by poison."""
POISONED = 64
"""Tokens of the longest document that is poisoned: a leak shows at the edge."""
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


def differences(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor], rough: bool = False) -> float:
    """How far documents [rows, D] are from the same elsewhere, stray rows left out; above 1 is too far."""
    tolerance, share = (ROUGH_TOLERANCE, ROUGH_STRAY_ROWS) if rough else (TOLERANCE, STRAY_ROWS)
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or not torch.isfinite(a).all():
            return float("inf")
        scale = b.float().abs().amax(-1).clamp(min=1e-6)
        rows = ((a.float() - b.float()).abs().amax(-1) / scale).sort(descending=True).values
        worst = max(worst, float(rows[int(len(rows) * share)]) / tolerance)
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
