"""A model made ready to give losses: which layout it may be fed, and whether its head can be taken off.

Packing is silently wrong where a model lets packed documents see each other (a convolution, a recurrent layer, a mask
made of ones). So the model itself is asked at start-up, see `models.probe`. What is not exact when packed is padded,
what is not exact when padded is fed alone, and what is not exact then is refused.

    kind         reads                     writes                    layouts
    causal       nothing                   every token               packed, padded, alone
    seq2seq      source, both ways         target, after the source  padded, alone
    classifier   text                      one class                 padded, alone
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from instructkit.errors import TrainingError, first_line
from instructkit.models.attention import NotIsolated, use_documents_attention
from instructkit.models.batch import Batch, Document, Layout, collate, collate_pairs, collate_texts
from instructkit.models.head import Head, find_head
from instructkit.models.load import Kind, autocast, kind_of_model
from instructkit.models.probe import POISONED, differences, leaks, probe_documents

PROBE_FAILURES = (NotIsolated, ValueError, TypeError, RuntimeError, IndexError, AttributeError, KeyError)
"""What the code of a model raises when it is run as it was not meant to be."""


@dataclass(frozen=True)
class Runner:
    """A model with the layout and head path that were found exact for it."""

    model: Any
    kind: Kind
    layout: Layout
    head: Head | None
    """None: nothing stands between the model and its logits, or what does cannot be taken off."""
    notes: tuple[str, ...]
    """What was not possible, and what is done instead."""
    own_attention: str
    """The attention that the model brought: with a cache, for generating."""

    @contextmanager
    def generating(self) -> Iterator[Any]:
        """The model with its own attention and in evaluation mode, both put back afterwards."""
        current, training = self.model.config._attn_implementation, self.model.training
        if current != self.own_attention:
            self.model.set_attn_implementation(self.own_attention)
        self.model.eval()
        try:
            yield self.model
        finally:
            if current != self.own_attention:
                self.model.set_attn_implementation(current)
            self.model.train(training)

    def collate(self, documents: Sequence[Document]) -> Batch:
        """Documents as one batch, in the layout that is exact for this model."""
        return _collate(self.model, self.kind, documents, self.layout)

    def losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Weighted sum of the batch's token losses, and each of them without gradient; see `head_loss`."""
        if self.head is not None:
            hidden = self.head.hidden(lambda: _call(self.model, self.kind, batch))[batch.rows]
            return self.head.losses(hidden, batch.targets, batch.weights)
        logits = _call(self.model, self.kind, batch).logits.flatten(0, -2)[batch.rows].float()
        nll = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none")
        return (nll * batch.weights).sum(), nll.detach()


def make_runner(model: Any, longest: int, dtype: torch.dtype = torch.float32) -> Runner:
    """Find out how a model may be run, by running it. Leaves its attention set accordingly.

    `longest`: tokens of the longest document to come; the probe holds one as long, so a window shorter than that shows.
    `dtype`: of the products in training. Raises TrainingError for a model that cannot be trained without a fault.
    """
    kind, training = kind_of_model(model), model.training
    model.eval()
    try:
        with torch.no_grad():
            runner = _find(model, kind, longest, dtype)
    finally:
        model.train(training)
    return runner


def _find(model: Any, kind: Kind, longest: int, dtype: torch.dtype) -> Runner:
    vocabulary = model.get_input_embeddings().num_embeddings
    documents = probe_documents(vocabulary, longest, kind, model.config)
    rough = any(p.dtype != torch.float32 for p in model.parameters())
    notes = []
    plain = Runner(model, kind, "alone", None, (), model.config._attn_implementation)
    try:
        if kind != "classifier":
            short = plain.collate(documents[:1])
            plain = replace(plain, head=find_head(model, lambda: _call(model, kind, short)))
            if plain.head is None:
                notes.append("its head cannot be taken off: full logits are built, more memory")
        reference = [_states(plain, [d])[0] for d in documents]
        masked = [_states(plain, [d], masked=True)[0] for d in documents[::2]]
    except PROBE_FAILURES as error:
        raise _refused(model, f"cannot be run: {first_line(error)}") from error
    if differences(masked, reference[::2], rough) > 1:
        raise _refused(model, "computes something else under a mask of ones than without a mask")
    if kind != "classifier" and not _is_causal(plain, documents[-1]):
        raise _refused(model, "lets a token see the tokens behind it, so it knows what it is to predict")
    reasons = []
    layouts: tuple[Layout, ...] = ("packed", "padded") if kind == "causal" else ("padded",)
    chosen = plain
    for layout in layouts:
        candidate = replace(plain, layout=layout)
        reason = _fault(candidate, documents, reference, rough, dtype)
        if reason is None:
            chosen = candidate
            break
        reasons.append(f"{layout} {reason}")
        if model.config._attn_implementation != plain.own_attention:
            model.set_attn_implementation(plain.own_attention)
    if reasons:
        how = "one document a row, padded" if chosen.layout == "padded" else "one document at a time"
        notes.append(f"documents would not be exact {'; '.join(reasons)}: {how}")
    if getattr(model.config.get_text_config(), "router_aux_loss_coef", None):
        notes.append("its balancing loss of experts is left out: it depends on which documents share a batch")
    return replace(chosen, notes=tuple(notes))


def _fault(
    runner: Runner, documents: Sequence[Document], reference: Sequence[torch.Tensor], rough: bool, dtype: torch.dtype
) -> str | None:
    """Why a layout is not exact; None where it is."""
    model = runner.model
    try:
        if runner.layout == "packed":
            use_documents_attention(model)
        difference = differences(_states(runner, documents), reference, rough)
        if difference > 1:
            return f"(they differ from the same alone, {difference:.0e} times what rounding may do)"
        if runner.layout == "packed":
            short = [d._replace(ids=d.ids[:POISONED], weights=d.weights[:POISONED]) for d in documents]
            batch = runner.collate(short).to(model.device)
            if leaks(model.get_input_embeddings(), [len(d.ids) for d in short], lambda: _output(runner, batch)):
                return "(a document reaches its neighbour)"
        if dtype != torch.float32:  # other kernels may run then
            with autocast(model.device, dtype):
                low = _states(runner, documents)
            if differences(low, reference, rough=True) > 1:
                return f"(they are something else in {str(dtype).removeprefix('torch.')})"
    except PROBE_FAILURES as error:
        return f"({first_line(error)})"
    return None


def _is_causal(runner: Runner, document: Document) -> bool:
    # The last but one: some encoder-decoders begin with the last, which names the language.
    other = document._replace(ids=document.ids.copy())
    other.ids[-2] = (other.ids[-2] + 1) % int(document.ids.max() + 1)
    before = len(document.ids) - document.read_tokens - 2
    one, two = (_states(runner, [d])[0][:before] for d in (document, other))
    return before < 1 or differences([one], [two]) <= 1


def _states(runner: Runner, documents: Sequence[Document], masked: bool = False) -> list[torch.Tensor]:
    """Per document [its rows, D]: what reaches the head; logits where there is no such thing."""
    batch = runner.collate(documents)
    if masked and batch.attention_mask is None:
        batch = replace(batch, attention_mask=torch.ones_like(batch.input_ids))
    states = _output(runner, batch.to(runner.model.device))
    if runner.kind == "classifier":
        return list(states[:, None])
    lengths = [len(d.ids) - d.read_tokens for d in documents]
    if runner.layout == "packed":
        return list(torch.split(states, lengths))
    return [rows[:n] for rows, n in zip(states.reshape(len(documents), -1, states.shape[-1]), lengths, strict=True)]


def _output(runner: Runner, batch: Batch) -> torch.Tensor:
    """[B·T, D]; logits where the head is not taken off."""
    if runner.head is not None:
        return runner.head.hidden(lambda: _call(runner.model, runner.kind, batch))
    return _call(runner.model, runner.kind, batch).logits.flatten(0, -2)  # type: ignore[no-any-return]


def _call(model: Any, kind: Kind, batch: Batch) -> Any:
    cache = {} if kind == "classifier" and not _has_cache(model) else {"use_cache": False}
    return model(**batch.inputs(), **cache)


def _has_cache(model: Any) -> bool:
    return getattr(model.config, "use_cache", None) is not None


def _collate(model: Any, kind: Kind, documents: Sequence[Document], layout: Layout) -> Batch:
    if kind == "causal":
        return collate(documents, layout)
    pad = model.config.get_text_config().pad_token_id or 0
    if kind == "classifier":
        return collate_texts(documents, pad)
    return collate_pairs(documents, pad, lambda written: _shifted(model, written, pad))


def _shifted(model: Any, written: torch.Tensor, pad: int) -> torch.Tensor:
    """What the decoder is given when it is to write that, [B, U] with -100 on padding: one place to the right."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if hasattr(inner, "prepare_decoder_input_ids_from_labels"):
        return inner.prepare_decoder_input_ids_from_labels(written)  # type: ignore[no-any-return]
    start = getattr(model.config, "decoder_start_token_id", None)
    first = torch.full_like(written[:, :1], pad if start is None else start)
    shifted = torch.cat([first, written[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == -100, pad)


def _refused(model: Any, why: str) -> TrainingError:
    name = model.config._name_or_path or type(model).__name__
    return TrainingError(f"model '{name}' ({type(model).__name__}) {why}; take a model of another architecture")
