"""The model that is measured or asked: loaded, with the way it reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructkit.chat.format import format_for
from instructkit.chat.rendering import ChatFormat, Reads
from instructkit.models.load import best_device, kind_of_model, load_model, load_tokenizer
from instructkit.models.runner import Runner, make_runner

PROBE_TOKENS = 2048
"""Longest document of the probe that finds out how a model may be run."""


class Subject(NamedTuple):
    """A model ready to be measured."""

    runner: Runner
    chat: ChatFormat
    max_tokens: int | None
    """Longest input that it takes; None: any."""
    notes: tuple[str, ...]
    """What one should know of its numbers."""


def open_model(model: str | Path, documents: bool = False) -> Subject:
    """A model directory or hub name, of any kind. `documents`: examples are texts, not conversations.

    Raises TrainingError for a model that cannot be loaded or has no usable chat template.
    """
    loaded = load_model(str(model)).to(best_device())
    kind = kind_of_model(loaded)
    reads: Reads = "document" if documents else "conversation"
    reads = "pair" if kind == "seq2seq" else "class" if kind == "classifier" else reads
    classes = [loaded.config.id2label[i] for i in sorted(loaded.config.id2label)] if kind == "classifier" else []
    longest = model_limit(loaded)
    piece = min(longest or PROBE_TOKENS, PROBE_TOKENS)
    chat = format_for(load_tokenizer(str(model)), None, reads, classes=classes, piece_tokens=piece)
    notes = []
    if len(chat.tokenizer) > loaded.get_input_embeddings().num_embeddings:
        torch.manual_seed(0)
        loaded.resize_token_embeddings(len(chat.tokenizer))
        notes.append(f"{model} has no chat template: it reads ChatML, whose control tokens it has never seen")
    return Subject(make_runner(loaded, min(longest or 512, PROBE_TOKENS)), chat, longest, tuple(notes))


def model_limit(model: Any) -> int | None:
    """Longest input of a model, in tokens; None where its config sets none."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else None
