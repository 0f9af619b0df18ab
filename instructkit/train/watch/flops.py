"""Floating-point operations of a step, counted from the model and the documents it was really given.

    body        2 a matrix weight and token forward; backward 2 for the gradient of the activations, wherever something
                below is trained, and 2 for the gradient of the weight where it is trained itself: 6 when all is
    attention   2·L²·d a layer and document forward (both products, the causal half), and twice that backward
    head        2·V·D a row forward; only for supervised rows where the head is run on those alone

Looking up a token's vector is no arithmetic. Source of the counts: Chowdhery et al., PaLM, arXiv:2204.02311, appendix
B; Narayanan et al., arXiv:2104.04473, section 5.1, for what is recomputed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """FLOPs of a model, forward and backward, by what they grow with."""

    token: float
    """For each token that is run through the body."""
    token_forward: float
    """Of these, the forward pass: what is done again where activations are recomputed."""
    pair: float
    """For each pair of a document's tokens (its length squared), all layers together, the causal half."""
    row: float
    """For each row of the head."""
    head_on_supervised: bool
    """Whether the head sees supervised rows only."""

    def useful(self, lengths: Lengths, supervised: int) -> float:
        """FLOPs that documents of these lengths need, by whatever means they are computed."""
        tokens, pairs = int(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
        rows = supervised if self.head_on_supervised else tokens
        return self.token * tokens + self.pair * pairs + self.row * rows

    def executed(self, lengths: Lengths, supervised: int, cells: int, recomputed: bool) -> float:
        """FLOPs that were spent: padding (`cells` is tokens and padding) and recomputed forward passes as well."""
        found = self.useful(lengths, supervised) + self.token * (cells - int(lengths.sum()))
        if recomputed:
            found += self.token_forward * cells + self.pair / 3 * float((lengths.astype(np.float64) ** 2).sum())
        return found


def model_costs(model: Any, *, head_on_supervised: bool) -> Costs:
    """The costs of a model as it is trained now: frozen weights need no gradient of their own.

    Of a mixture of experts, the share of its experts that a token meets. An encoder's or a classifier's tokens count
    like a decoder's, so an encoder-decoder, half of which sees each token, is overstated.
    """
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    met = (getattr(config, "num_experts_per_tok", None) or 1) / experts if isinstance(experts, int) and experts else 1.0
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    head_weight = getattr(head, "weight", None)
    lookups = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    forward = backward = 0.0
    below_is_trained = False
    for name, weight in model.named_parameters():  # in the order of the modules: from the embeddings upwards
        below_is_trained |= weight.requires_grad
        if weight.ndim < 2 or id(weight) in lookups or weight is head_weight:
            continue
        size = weight.numel() * (met if ".experts." in name else 1.0)
        forward += 2 * size
        backward += 2 * size * (below_is_trained + weight.requires_grad)
    row = 0.0
    if head_weight is not None:
        row = 2 * head_weight.numel() * (1 + below_is_trained + head_weight.requires_grad)
    heads = getattr(config, "num_attention_heads", None)
    layers = getattr(config, "num_hidden_layers", None)
    pair = 0.0
    if isinstance(heads, int) and isinstance(layers, int):
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        pair = 2 * width * layers * (3 if below_is_trained else 1)
    return Costs(
        token=forward + backward, token_forward=forward, pair=pair, row=row, head_on_supervised=head_on_supervised
    )
