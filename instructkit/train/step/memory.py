"""Memory that a training will take, told from its model's shape: nothing is loaded and nothing computed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError, first_line
from instructkit.models.attention import NotIsolated, use_documents_attention
from instructkit.models.batch import Document
from instructkit.models.head import Head
from instructkit.models.load import (
    auto_class,
    autocast,
    best_device,
    compute_dtype,
    kind_of,
    kind_of_model,
    load_config,
)
from instructkit.models.runner import Runner
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Plan
from instructkit.train.model.prepare import prepare_model
from instructkit.train.model.trainable import make_trainable
from instructkit.train.step.microbatch import CPU_TOKENS, cut
from instructkit.train.step.parallel import BYTES_PER_FROZEN, BYTES_PER_TRAINED, recompute


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of one device that holds the whole model, in bytes."""

    parameters: int
    trained: int
    state: int
    """fp32 weights, and of the trained ones the gradient and AdamW's two means. Source: Rajbhandari et al., ZeRO,
    arXiv:1910.02054, section 3.1: 16 bytes a trained parameter."""
    activations: int | None
    """What autograd keeps of one micro-batch until the backward pass; in the attention and precision of the device.
    What it is made of: Korthikanti et al., arXiv:2205.05198, section 4.1. Counted here, not computed by formula, so
    that every architecture, adapter and frozen layer counts as what it is. None: it could not be."""
    uncounted: str | None
    """Why not."""
    micro_batch_tokens: int


def count_memory(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> Memory | str:
    """Memory of the training on the best device, or why it cannot be told.

    Raises TrainingError for a model that cannot be made or trained as the training asks.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    device = best_device()
    kept, why = None, None
    try:
        with torch.device("meta"):
            adapted = make_trainable(_without_weights(config, chat), config, plan.steps, chat.tokenizer)
        with FakeTensorMode(allow_non_fake_inputs=True), _no_complaints():
            _pretend(adapted.model, device)
            runner = _unproved_runner(adapted.model)
            documents = _micro_batch(config, data, plan, runner, device)
            try:
                kept = _kept_by_autograd(runner, documents, config, device)
            except TrainingError:
                raise
            except Exception as error:  # code of strangers, run without numbers: it looks at some, or calls what cannot
                why = first_line(error)[:100]
    except TrainingError:
        raise
    except Exception as error:  # likewise: code that makes a model may look at its weights
        return first_line(error)[:100]
    counts = [(p.numel(), p.requires_grad) for p in runner.model.parameters()]
    trained, whole = sum(n for n, yes in counts if yes), sum(n for n, _ in counts)
    return Memory(
        parameters=whole,
        trained=trained,
        state=BYTES_PER_TRAINED * trained + BYTES_PER_FROZEN * (whole - trained),
        activations=kept,
        uncounted=why,
        micro_batch_tokens=sum(len(document.ids) for document in documents),
    )


def _pretend(model: torch.nn.Module, device: torch.device) -> None:
    """Tensors on `meta` become tensors that say they are on a device, and so are given its kernels."""
    known: dict[int, torch.Tensor] = {}
    for module in model.modules():
        own: Any
        for own in (module._parameters, module._buffers):
            for name, tensor in own.items():
                if tensor is not None and id(tensor) not in known:
                    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
                    is_weight = isinstance(tensor, torch.nn.Parameter)
                    known[id(tensor)] = torch.nn.Parameter(empty, tensor.requires_grad) if is_weight else empty
                if tensor is not None:
                    own[name] = known[id(tensor)]


@contextmanager
def _no_complaints() -> Iterator[None]:
    """Without the traceback that torch logs beside the error it raises."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _without_weights(config: Training, chat: ChatFormat) -> Any:
    """The model's shape; made where tensors have no storage."""
    if isinstance(config.model, Scratch):
        return prepare_model(config, chat)
    saved = load_config(config.pretrained)
    kind = "classifier" if chat.reads == "class" else kind_of(saved)
    if kind == "classifier":
        saved.num_labels = len(chat.classes)
    model = auto_class(kind).from_config(saved)
    if len(chat.tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(chat.tokenizer), mean_resizing=False)
    return model


def _unproved_runner(model: Any) -> Runner:
    """As `make_runner` finds it for nearly all models, which cannot be asked without weights."""
    kind, own = kind_of_model(model), model.config._attn_implementation
    head = model.get_output_embeddings() if kind != "classifier" else None
    runner = Runner(model, kind, "padded", Head(head) if isinstance(head, torch.nn.Linear) else None, (), own)
    if kind != "causal":
        return runner
    try:
        use_documents_attention(model)
    except NotIsolated:
        return runner
    return replace(runner, layout="packed")


def _micro_batch(
    config: Training, data: TrainingData, plan: Plan, runner: Runner, device: torch.device
) -> list[Document]:
    """The first of the training; where its size is found on the way, the smallest that is tried."""
    found = max(1, CPU_TOKENS // plan.capacity) if device.type != "cuda" else 1
    size = found if config.micro_batch_sequences == "auto" else config.micro_batch_sequences
    first = cut(plan.step(0), data.lengths, runner.layout, size=size, capacity=plan.capacity, ranks=1)[0]
    return [data.document(i) for i in first.tolist()]


def _kept_by_autograd(runner: Runner, documents: list[Document], config: Training, device: torch.device) -> int:
    """Bytes of all that a forward pass keeps for the backward pass, the weights themselves not counted."""
    if config.activation_checkpointing:
        recompute(runner.model)
    weights = {p.untyped_storage()._cdata for p in runner.model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage  # held, so that its place is not given to another
        return tensor

    runner.model.train()
    dtype = compute_dtype(config.precision, device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), autocast(device, dtype):
        runner.losses(runner.collate(documents).to(device))
    return sum(storage.nbytes() for storage in kept.values())
