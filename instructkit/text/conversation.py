"""Conversations: what is trained on, whether it changed, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from instructkit.hashing import canonical_json, record_hash
from instructkit.schema import Message


def content_hash(messages: Iterable[Message], tools: str | None) -> str:
    """Hash of all that a model would be trained on: messages with roles, weights, spans and tool calls, and the tools.

    Fields that have their default are left out, so a field that the schema gains later changes no hash. `tools` and
    the messages' `tool_calls` are canonical JSON already. 32 hexadecimal digits.
    """
    spoken = [{name: v for name, v in msgspec.to_builtins(m).items() if v is not None} for m in messages]
    return record_hash(canonical_json(spoken), *([tools] if tools else []))


def conversation_group(messages: Iterable[Message]) -> str:
    """The first `group` of a conversation: hash of who says what, whatever its weights and tools. 32 digits."""
    return record_hash(*(part for m in messages for part in (m.role, m.content, m.tool_calls or "")))


def trained_weight(message: Message) -> float:
    """The weight of a message's loss, with the default spelled out: 1 for the assistant, 0 for everyone else."""
    if message.weight is not None:
        return message.weight
    return 1.0 if message.role == "assistant" else 0.0
