"""Answers: a conversation goes in, the model's reply comes out and stops where the model stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from instructkit.chat.format import chat_format
from instructkit.chat.rendering import ChatFormat, turn
from instructkit.errors import UsageFault
from instructkit.models.load import best_device, load_model, load_tokenizer
from instructkit.schema import Message


@dataclass(frozen=True)
class Reply:
    """What a model answered."""

    text: str
    tokens: int
    """Written by the model, the stop token included."""
    stopped: bool
    """Whether the model ended the reply itself; else it ran into the limit."""


def generate(
    model: str | Path,
    conversation: str | Sequence[Message],
    *,
    max_new_tokens: int = 256,
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
) -> Reply:
    """The reply of a model directory (or hub name) to a prompt, or to a conversation.

    `temperature` None: greedy, the likeliest token each time. Raises TrainingError where the model cannot be loaded,
    UsageFault where the prompt leaves no room for a reply.
    """
    chat = chat_format(load_tokenizer(str(model)))
    loaded = load_model(str(model)).to(best_device()).eval()
    messages = [Message(role="user", content=conversation)] if isinstance(conversation, str) else conversation
    torch.manual_seed(seed)
    return reply_to(loaded, chat, messages, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p)


def reply_to(
    model: Any,
    chat: ChatFormat,
    messages: Sequence[Message],
    tools: list[Any] | None = None,
    *,
    max_new_tokens: int,
    temperature: float | None = None,
    top_p: float = 1.0,
) -> Reply:
    """The reply of a loaded model, which must attend with a cache (see `Runner.generating`)."""
    from transformers import GenerationConfig

    text, _ = chat.render([turn(m) for m in messages], tools, prompt=True)
    ids = chat.tokenizer(text, add_special_tokens=False, return_tensors="pt", verbose=False)["input_ids"]
    longest = getattr(model.config, "max_position_embeddings", None)
    room = max_new_tokens if longest is None else min(max_new_tokens, longest - ids.shape[1])
    if room < 1:
        raise UsageFault(f"the prompt has {ids.shape[1]:,} tokens, the model takes {longest:,}: no room for a reply")
    sampling = {} if temperature is None else {"temperature": temperature, "top_p": top_p, "top_k": 0}
    stops = stop_ids(model, chat)
    config = GenerationConfig(
        max_new_tokens=room,
        do_sample=temperature is not None,
        eos_token_id=stops,
        pad_token_id=chat.tokenizer.pad_token_id if chat.tokenizer.pad_token_id is not None else chat.stop_id,
        **sampling,
    )
    ids = ids.to(model.device)
    # Everything is set above: a checkpoint's own generation_config must not add to it.
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        with torch.inference_mode():
            written = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    finally:
        model.generation_config = own
    new = written[0, ids.shape[1] :].tolist()
    stopped = bool(new) and new[-1] in stops
    return Reply(chat.tokenizer.decode(new[:-1] if stopped else new).strip(), len(new), stopped)


def stop_ids(model: Any, chat: ChatFormat) -> list[int]:
    """Tokens that end a reply: the chat format's first, then those that the model brings."""
    own = model.generation_config.eos_token_id if model.generation_config is not None else None
    own = own if own is not None else model.config.eos_token_id
    own = own if isinstance(own, list) else [own]
    return list(dict.fromkeys([chat.stop_id, *(i for i in own if i is not None)]))
