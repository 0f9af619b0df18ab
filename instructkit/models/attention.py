"""Attention that keeps packed documents apart: one causal call per document, no mask, no padding.

      packed row   a a a b b c c c c
      attention    └─A─┘ └B┘ └──C──┘      each call sees its own document only

A mask over the whole row would cost its length squared; this costs the sum of the documents' lengths squared. It
reaches the layers through the attention interface of transformers, with the lengths passed along. Soft caps (Gemma 2)
and sinks (gpt-oss) are computed step by step, document by document; on CUDA in half precision one kernel takes all
documents of a row. Whatever else a layer asks for is refused, never left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows

NAME = "instructkit_documents"
"""Name of this attention among those of transformers."""
HARMLESS = ("position_ids", "use_cache", "output_attentions", "output_hidden_states", "return_dict", "deterministic")
"""What layers pass along and attention does not depend on."""


class NotIsolated(Exception):
    """The model's attention is of a kind that this one does not reproduce."""


class Lengths:
    """Tokens of the documents of a packed row, in order.

    A class of its own, and not a tuple, so that compiled layers pass it along without being compiled anew for every
    number of documents.
    """

    def __init__(self, values: Sequence[int]) -> None:
        self.values = list(values)

    @cached_property
    def ends(self) -> torch.Tensor:
        """[documents + 1] int32, where each begins, and the end; made once for all layers of a pass."""
        return torch.tensor([0, *self.values], dtype=torch.int32).cumsum(0, dtype=torch.int32)

    def ends_on(self, device: torch.device) -> torch.Tensor:
        """The same on a device."""
        if self.ends.device != device:
            self.ends = self.ends.to(device)
        return self.ends


@torch.compiler.disable  # type: ignore[untyped-decorator]
def documents_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    document_lengths: Lengths | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    is_causal: bool | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document. query [B, H, T, d]; key and value [B, H or fewer, T, d] -> [B, T, H, d].

    `document_lengths` sum up to T; None: every row is one document. `sliding_window`: a token sees that many tokens,
    itself included. `softcap` bends the scores, `s_aux` [H] is one more score of each row that nothing belongs to.
    Raises NotIsolated for what it does not know: a bias, a choice of keys, a mask, a cache.
    """
    unknown = [k for k, v in options.items() if v is not None and v is not False and k not in HARMLESS]
    row = Lengths([query.shape[2]]) if document_lengths is None else document_lengths
    if attention_mask is not None:
        unknown.append("a mask")
    if query.shape[2] != key.shape[2]:
        unknown.append("a cache")
    if (getattr(module, "is_causal", True) if is_causal is None else is_causal) is False:
        unknown.append("attention to later tokens")
    if unknown:
        raise NotIsolated("its attention asks for " + ", ".join(unknown))
    plain = softcap is None and s_aux is None
    if plain and not dropout and query.is_cuda and query.dtype in (torch.float16, torch.bfloat16) and len(query) == 1:
        return _one_kernel(query, key, value, row, scaling, sliding_window), None
    grouped = query.shape[1] != key.shape[1]
    parts = []
    for q, k, v in zip(*(torch.split(t, row.values, 2) for t in (query, key, value)), strict=True):
        if plain:
            mask = _window(q.shape[2], sliding_window, q.device)
            part = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, dropout_p=dropout, enable_gqa=grouped
            )
        else:
            part = _step_by_step(q, k, v, scaling, dropout, sliding_window, softcap, s_aux)
        parts.append(part.transpose(1, 2))
    return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)), None


def _step_by_step(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    """One document's attention with its scores in memory: length squared, for each head."""
    heads = q.shape[1]
    k, v = (t.repeat_interleave(heads // t.shape[1], dim=1) for t in (k, v))
    scores = (q @ k.transpose(2, 3)).float() * (q.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores = scores.masked_fill(~_seen(q.shape[2], window, q.device), float("-inf"))
    if sinks is not None:
        column = sinks.float().reshape(1, heads, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, column], dim=-1)
    shares = scores.softmax(-1)[..., : q.shape[2]]
    return F.dropout(shares, dropout).to(v.dtype) @ v


def _one_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    row: Lengths,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = row.ends_on(query.device), max(row.values)
    q, k, v = (t[0].transpose(0, 1).contiguous() for t in (query, key, value))
    reach = (-1 if window is None else window - 1, 0)
    # In 3 dimensions [T, H, d]; its window counts the tokens before, ours the token itself too.
    out = varlen_attn(
        q,
        k,
        v,
        ends,
        ends,
        longest,
        longest,
        scale=scaling,
        window_size=reach,
        enable_gqa=q.shape[1] != k.shape[1],
    )
    assert isinstance(out, torch.Tensor)
    return out[None]


def _seen(length: int, window: int | None, device: torch.device) -> torch.Tensor:
    """[length, length] bool, true where a token may look."""
    place = torch.arange(length, device=device)
    distance = place[:, None] - place[None, :]
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


def _window(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """The same; None where the plain causal mask says it."""
    return None if window is None or length <= window else _seen(length, window, device)


def use_documents_attention(model: Any) -> None:
    """Make a model attend by documents. Raises NotIsolated or ValueError where its code does not allow another."""
    from transformers import AttentionInterface
    from transformers.utils import logging

    AttentionInterface.register(NAME, documents_attention)
    said = logging.get_verbosity()
    logging.set_verbosity_error()  # what it would warn of is looked at here
    try:
        model.set_attn_implementation(NAME)
    finally:
        logging.set_verbosity(said)
    if model.config._attn_implementation != NAME:
        raise NotIsolated(f"{type(model).__name__} takes no other attention")
