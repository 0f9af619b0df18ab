"""A model made ready to give losses: which layout it may be fed, and which way its head is run, checked on the model.

Packing is silently wrong where a model lets packed documents see each other (a convolution, a recurrent layer, a mask
made of ones). So the model itself is asked at start-up: do two packed documents get what each gets alone?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from instructkit.models.attention import NotIsolated, use_documents_attention
from instructkit.models.batch import Batch, Document, Layout, collate
from instructkit.models.loss import head_loss

TOLERANCE = 1e-3
"""Largest difference of a hidden state in fp32, relative to the largest hidden state. Seen: 1e-6 where documents are
isolated, above 1e-1 where they are not."""


@dataclass(frozen=True)
class Runner:
    """A model with the layout and head path that were found exact for it."""

    model: Any
    layout: Layout
    split_head: bool
    """Whether head(body(x)) equals model(x): no soft cap or scale lies between."""
    notes: tuple[str, ...]
    """What was not possible, and what is done instead."""
    own_attention: str
    """The attention that the model brought: with a cache, for generating."""

    @contextmanager
    def generating(self) -> Iterator[Any]:
        """The model with its own attention and in evaluation mode, both put back afterwards."""
        current, training = self.model.config._attn_implementation, self.model.training
        self.model.set_attn_implementation(self.own_attention)
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.set_attn_implementation(current)
            self.model.train(training)

    def collate(self, documents: Sequence[Document]) -> Batch:
        """Documents as one batch, in the layout that is exact for this model."""
        return collate(documents, self.layout)

    def losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Weighted sum of the batch's token losses, and each of them without gradient; see `head_loss`."""
        if self.split_head:
            head = self.model.get_output_embeddings()
            hidden = _hidden(self.model, batch)[batch.rows]
            return head_loss(hidden, head.weight, getattr(head, "bias", None), batch.targets, batch.weights)
        logits = self.model(batch.input_ids, **_options(batch)).logits.flatten(0, 1)[batch.rows].float()
        nll = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none")
        return (nll * batch.weights).sum(), nll.detach()


def make_runner(model: Any, longest: int) -> Runner:
    """Find out how a model may be run, by running it. Leaves its attention set accordingly.

    `longest`: tokens of the longest document to come; the probe holds one as long, so a window shorter than that shows.
    """
    notes: list[str] = []
    training = model.training
    model.eval()
    layout: Layout = "packed"
    own = model.config._attn_implementation
    with torch.no_grad():
        split_head = _head_is_split(model)
        if not split_head:
            notes.append("something lies between the model's body and its head: full logits are built, more memory")
        documents = _probe_documents(model, longest)
        # Alone they run with the attention that the model brought, so a kernel that computes something else shows too.
        alone = torch.cat([_hidden(model, collate([d], "padded").to(model.device)) for d in documents])
        try:
            use_documents_attention(model)
            packed = _hidden(model, collate(documents, "packed").to(model.device))
            difference = float((packed - alone).abs().max() / alone.abs().max().clamp(min=1e-6))
            reason = (
                None if difference <= TOLERANCE else f"packed documents differ from the same alone by {difference:.1e}"
            )
        except (NotIsolated, ValueError, TypeError, RuntimeError) as error:
            reason = str(error) or type(error).__name__
        if reason is not None:
            layout = "padded"
            model.set_attn_implementation(own)
            notes.append(f"documents cannot be kept apart when packed ({reason}): one document a row, padded")
    model.train(training)
    return Runner(model, layout, split_head, tuple(notes), own)


def _probe_documents(model: Any, longest: int) -> list[Document]:
    # Of unequal length, longer than a convolution's reach, without repeating tokens in step.
    vocabulary = model.get_input_embeddings().num_embeddings
    lengths = [min(n, longest) for n in (17, longest, 29)]
    ids = [(np.arange(n) * 31 + 7 * i) % vocabulary for i, n in enumerate(lengths)]
    return [Document(i.astype(np.int32), np.ones(len(i), dtype=np.float32)) for i in ids]


def _options(batch: Batch) -> dict[str, Any]:
    options: dict[str, Any] = {"use_cache": False}
    if batch.lengths is not None:
        options |= {"position_ids": batch.position_ids, "document_lengths": batch.lengths}
    return options


def _hidden(model: Any, batch: Batch) -> torch.Tensor:
    """[B·T, D]: the body's output, flattened."""
    return model.base_model(batch.input_ids, **_options(batch))[0].flatten(0, 1)  # type: ignore[no-any-return]


def _head_is_split(model: Any) -> bool:
    head = model.get_output_embeddings()
    # A soft cap hardly bends the small logits of a fresh model: what the config says counts as well as the probe.
    if head is None or not hasattr(head, "weight") or getattr(model.config, "final_logit_softcapping", None):
        return False
    batch = collate(_probe_documents(model, 17), "padded").to(model.device)
    whole = model(batch.input_ids, use_cache=False).logits.flatten(0, 1)
    parts = torch.nn.functional.linear(_hidden(model, batch), head.weight, getattr(head, "bias", None))
    return whole.shape == parts.shape and bool((whole - parts).abs().max() <= 1e-5 * whole.abs().max())
