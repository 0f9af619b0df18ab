"""Rows of documents to tensors, in two layouts.

    documents  A, B, C with 3, 2, 4 tokens

    packed     input_ids     [1, 9]   a a a b b c c c c        lengths (3, 2, 4)
               position_ids  [1, 9]   0 1 2 0 1 0 1 2 3
    padded     input_ids     [3, 4]   a a a .                  padding stands behind: no causal model
                                      b b . .                  lets a token see what comes after it
                                      c c c c

Packed has no padding at all, but the model must keep the documents apart (see `models.attention`). Padded is exact for
every causal model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Layout = Literal["packed", "padded"]


class Document(NamedTuple):
    """What a model is shown as one; the arrays have one length, at least 1."""

    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    """Of each token as a target; 0 where not trained."""
    read_tokens: int = 0
    """How many of the first tokens are only read: by an encoder, by a classifier. 0 for decoders."""


@dataclass(frozen=True)
class Batch:
    """Documents as one forward pass takes them. B rows, T columns, N trained positions."""

    input_ids: torch.Tensor
    """[B, T] int64."""
    position_ids: torch.Tensor
    """[B, T] int64; restart at 0 for each document."""
    lengths: tuple[int, ...] | None
    """Of the documents in the one packed row; None in padded rows."""
    rows: torch.Tensor
    """[N] int64: positions in the flattened batch whose *next* token is trained on."""
    targets: torch.Tensor
    """[N] int64: those next tokens."""
    weights: torch.Tensor
    """[N] float32."""
    document: torch.Tensor
    """[N] int64: index of the document each target belongs to."""

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return replace(self, **moved)


def collate(documents: Sequence[Document], layout: Layout) -> Batch:
    """Documents as one batch. The only place where labels are shifted.

    Position t predicts token t + 1 of its document; so a document's first token is never a target.
    """
    lengths = [len(document.ids) for document in documents]
    width = max(lengths)
    if layout == "packed":
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        ids = np.concatenate([document.ids for document in documents]).astype(np.int64)[None]
        positions = np.concatenate([np.arange(n) for n in lengths])[None]
    else:
        starts = np.arange(len(documents), dtype=np.int64) * width
        ids = np.zeros((len(documents), width), dtype=np.int64)
        for row, document in enumerate(documents):
            ids[row, : lengths[row]] = document.ids
        positions = np.broadcast_to(np.arange(width), ids.shape)
    rows, targets, weights, owner = [], [], [], []
    for i, document in enumerate(documents):
        trained = np.flatnonzero(document.weights[1:] > 0)
        rows.append(trained + starts[i])
        targets.append(document.ids[trained + 1])
        weights.append(document.weights[trained + 1])
        owner.append(np.full(len(trained), i))
    return Batch(
        input_ids=torch.from_numpy(np.ascontiguousarray(ids)),
        position_ids=torch.from_numpy(np.array(positions, dtype=np.int64)),
        lengths=tuple(lengths) if layout == "packed" else None,
        rows=torch.from_numpy(np.concatenate(rows).astype(np.int64)),
        targets=torch.from_numpy(np.concatenate(targets).astype(np.int64)),
        weights=torch.from_numpy(np.concatenate(weights).astype(np.float32)),
        document=torch.from_numpy(np.concatenate(owner).astype(np.int64)),
    )


def groups(lengths: Sequence[int], budget: int, layout: Layout) -> list[list[int]]:
    """Indices of documents that make batches of at most `budget` cells (tokens and padding); a longer one stands alone.

    Sorted by length, so that padded rows are of a kind; in stable order, so that the batches are always the same.
    """
    result: list[list[int]] = []
    cells = 0
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        # Longest first: the first of a batch is its width.
        width = lengths[result[-1][0]] if result and layout == "padded" else lengths[i]
        if not result or cells + width > budget:
            result.append([])
            cells, width = 0, lengths[i]
        result[-1].append(i)
        cells += width
    return result
