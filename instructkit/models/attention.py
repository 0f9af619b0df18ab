"""Attention that keeps packed documents apart: one causal call per document, no mask, no padding.

      packed row   a a a b b c c c c
      attention    └─A─┘ └B┘ └──C──┘      each call sees its own document only

A mask over the whole row would cost its length squared; this costs the sum of the documents' lengths squared. It
reaches the layers through the attention interface of transformers, with the lengths passed along.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows

NAME = "instructkit_documents"
"""Name of this attention among those of transformers."""


class NotIsolated(Exception):
    """The model's attention is of a kind that this one does not reproduce."""


def documents_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    document_lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document. query [B, H, T, d]; key and value [B, H or fewer, T, d] -> [B, T, H, d].

    `document_lengths` sum up to T; None: every row is one document. `sliding_window`: a token sees that many tokens,
    itself included. Raises NotIsolated for what it does not know: soft caps, sinks, biases, a mask, a cache.
    """
    unknown = [k for k in ("softcap", "s_aux", "position_bias") if options.get(k) is not None]
    lengths = [query.shape[2]] if document_lengths is None else list(document_lengths)
    if attention_mask is not None:
        unknown.append("a mask")
    if query.shape[2] != key.shape[2]:
        unknown.append("a cache")
    if getattr(module, "is_causal", True) is False:
        unknown.append("attention to later tokens")
    if unknown:
        raise NotIsolated(", ".join(unknown))
    grouped = query.shape[1] != key.shape[1]
    parts = []
    for q, k, v in zip(*(torch.split(t, lengths, 2) for t in (query, key, value)), strict=True):
        mask = _window(q.shape[2], sliding_window, q.device)
        part = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, dropout_p=dropout, enable_gqa=grouped
        )
        parts.append(part.transpose(1, 2))
    return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)), None


def _window(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """[length, length] bool, true where a token may look; None where the plain causal mask says the same."""
    if window is None or length <= window:
        return None
    place = torch.arange(length, device=device)
    distance = place[:, None] - place[None, :]
    return (distance >= 0) & (distance < window)


def use_documents_attention(model: Any) -> None:
    """Make a model attend by documents. Raises NotIsolated or ValueError where its code does not allow another."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, documents_attention)
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise NotIsolated(f"{type(model).__name__} takes no other attention")
