"""Conversations: what is trained on, whether it changed, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from instructkit.hashing import json_hash, record_hash
from instructkit.schema import Message


class Spoken(Protocol):
    """What tells how much of a message is trained on: a `Message`, or a turn that becomes one."""

    @property
    def role(self) -> str: ...  # noqa: D102

    @property
    def weight(self) -> float | None: ...  # noqa: D102


def content_hash(messages: Iterable[Message], tools: str | None) -> str:
    """Hash of all that a model would be trained on: messages with roles, weights, spans and tool calls, and the tools.

    Fields that have their default are left out, so a field that the schema gains later changes no hash. `tools` and
    the messages' `tool_calls` are canonical JSON already. 32 hexadecimal digits.
    """
    spoken = [{name: v for name, v in msgspec.to_builtins(m).items() if v is not None} for m in messages]
    return spoken_hash(spoken, tools)


def spoken_hash(spoken: Sequence[dict[str, Any]], tools: str | None) -> str:
    """`content_hash` of messages as plain data, without the fields that have their default."""
    return json_hash(spoken, *([tools] if tools else []))


def conversation_group(messages: Iterable[Message]) -> str:
    """The first `group` of a conversation: hash of who says what, whatever its weights and tools. 32 digits."""
    return record_hash(*(part for m in messages for part in (m.role, m.content, m.tool_calls or "")))


def trained_weight(message: Spoken) -> float:
    """The weight of a message's loss, with the default spelled out: 1 for the assistant, 0 for everyone else."""
    if message.weight is not None:
        return message.weight
    return 1.0 if message.role == "assistant" else 0.0
