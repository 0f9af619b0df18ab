"""Rows of documents to tensors, in three layouts.

    documents  A, B, C with 3, 2, 4 tokens

    packed     input_ids     [1, 9]   a a a b b c c c c        lengths (3, 2, 4)
               position_ids  [1, 9]   0 1 2 0 1 0 1 2 3
    padded     input_ids     [3, 4]   a a a .                  padding stands behind: no causal model
                                      b b . .                  lets a token see what comes after it
                                      c c c c
    alone      input_ids     [1, 3]   a a a                    one document a batch

Packed has no padding at all, but the model must keep the documents apart (see `models.attention`). Padded is exact for
causal models whose rows do not depend on each other, alone for all. Encoder-decoders and classifiers read their input
padded, with a mask:

    source S, target T     input_ids s s s . , attention_mask 1 1 1 0, decoder_input_ids . t t, targets t t t
    text S, class C        input_ids s s s . , attention_mask 1 1 1 0, target c
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from instructkit.models.attention import Lengths

Layout = Literal["packed", "padded", "alone"]
ALIKE = 0.8
"""Shortest document of a padded batch, as a share of the longest."""
SOME_WORK = 1 / 16
"""Share of the budget that a batch fills before it may end for that."""


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
    lengths: tuple[int, ...] | None
    """Of the documents in the one packed row; None in padded rows."""
    rows: torch.Tensor
    """[N] int64: positions in the flattened output whose prediction is trained: of a decoder, the token before each
    target; of a classifier, the document."""
    targets: torch.Tensor
    """[N] int64: what they predict."""
    weights: torch.Tensor
    """[N] float32."""
    document: torch.Tensor
    """[N] int64: index of the document each target belongs to."""
    position_ids: torch.Tensor | None = None
    """[B, T] int64, for decoders; restart at 0 for each document."""
    attention_mask: torch.Tensor | None = None
    """[B, T] int64, 0 on padding; for models that read both ways."""
    decoder_input_ids: torch.Tensor | None = None
    """[B, U] int64: the targets, one place to the right."""

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return replace(self, **moved)

    def inputs(self) -> dict[str, Any]:
        """What a model is called with."""
        given: dict[str, Any] = {"input_ids": self.input_ids}
        if self.lengths is not None:
            given |= {"position_ids": self.position_ids, "document_lengths": Lengths(self.lengths)}
        if self.attention_mask is not None:
            given["attention_mask"] = self.attention_mask
        if self.decoder_input_ids is not None:
            given["decoder_input_ids"] = self.decoder_input_ids
        return given


def collate(documents: Sequence[Document], layout: Layout) -> Batch:
    """Documents of a decoder as one batch. The only place where a decoder's labels are shifted.

    Position t predicts token t + 1 of its document; so a document's first token is never a target.
    """
    lengths = [len(document.ids) for document in documents]
    width = max(lengths)
    if layout == "packed":
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        ids = np.concatenate([document.ids for document in documents])[None]
        positions = np.concatenate([np.arange(n) for n in lengths])[None]
    else:
        starts = np.arange(len(documents), dtype=np.int64) * width
        ids, _ = _padded([document.ids for document in documents], 0)
        positions = np.broadcast_to(np.arange(width), ids.shape)
    trained = [np.flatnonzero(document.weights[1:] > 0) for document in documents]
    return Batch(
        input_ids=_long(ids),
        position_ids=_long(positions),
        lengths=tuple(lengths) if layout == "packed" else None,
        rows=_long(np.concatenate([t + start for t, start in zip(trained, starts, strict=True)])),
        **_targets(documents, [t + 1 for t in trained]),
    )


def collate_pairs(documents: Sequence[Document], pad_id: int, shift: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """Documents of an encoder-decoder: what is read and what is written, each padded.

    `shift` makes what the decoder is given from what it is to write [B, U], -100 on padding: the model's own way, for
    some begin with a token of their own and some with the language. So the first written token is a target too.
    """
    sources, mask = _padded([d.ids[: d.read_tokens] for d in documents], pad_id)
    written, _ = _padded([d.ids[d.read_tokens :] for d in documents], -100)
    trained = [np.flatnonzero(d.weights[d.read_tokens :] > 0) for d in documents]
    width = written.shape[1]
    return Batch(
        input_ids=_long(sources),
        attention_mask=_long(mask),
        decoder_input_ids=shift(_long(written)),
        lengths=None,
        rows=_long(np.concatenate([t + i * width for i, t in enumerate(trained)])),
        **_targets(documents, [t + d.read_tokens for t, d in zip(trained, documents, strict=True)]),
    )


def collate_texts(documents: Sequence[Document], pad_id: int) -> Batch:
    """Documents of a classifier: the text that is read, padded; the one token behind it is the class."""
    texts, mask = _padded([d.ids[: d.read_tokens] for d in documents], pad_id)
    trained = [np.flatnonzero(d.weights[d.read_tokens :] > 0) for d in documents]
    return Batch(
        input_ids=_long(texts),
        attention_mask=_long(mask),
        lengths=None,
        rows=_long(np.concatenate([t + i for i, t in enumerate(trained)])),
        **_targets(documents, [t + d.read_tokens for t, d in zip(trained, documents, strict=True)]),
    )


def _targets(documents: Sequence[Document], places: Sequence[npt.NDArray[np.int64]]) -> dict[str, torch.Tensor]:
    pairs = list(zip(documents, places, strict=True))
    return {
        "targets": _long(np.concatenate([d.ids[at] for d, at in pairs])),
        "weights": torch.from_numpy(np.concatenate([d.weights[at] for d, at in pairs]).astype(np.float32)),
        "document": _long(np.repeat(np.arange(len(pairs)), [len(at) for _, at in pairs])),
    }


def _padded(parts: Sequence[npt.NDArray[Any]], pad_id: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """[B, T] ids with padding behind, and 1 where a token stands."""
    ids = np.full((len(parts), max(len(part) for part in parts)), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, part in enumerate(parts):
        ids[row, : len(part)] = part
        mask[row, : len(part)] = 1
    return ids, mask


def _long(array: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.int64))


def groups(lengths: Sequence[int], budget: int, layout: Layout) -> list[list[int]]:
    """Indices of documents that make batches of at most `budget` cells (tokens and padding); a longer one stands alone.

    Sorted by length, so that padded rows are of a kind; in stable order, so that the batches are always the same. A
    padded batch that holds some work ends before a document that would be padding for a good part: a step of 8,192
    tokens of chats is 8 batches with 8 % of padding then, where it would be 2 with 44 %.
    """
    result: list[list[int]] = []
    cells = 0
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        # Longest first: the first of a batch is its width.
        width = lengths[result[-1][0]] if result and layout == "padded" else lengths[i]
        unlike = lengths[i] < ALIKE * width and cells >= SOME_WORK * budget
        if not result or cells + width > budget or unlike or layout == "alone":
            result.append([])
            cells, width = 0, lengths[i]
        result[-1].append(i)
        cells += width
    return result
