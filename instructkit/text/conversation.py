"""Conversations: what is trained on, whether it changed, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from instructkit.hashing import json_hash, json_hashes, record_hash
from instructkit.schema import Message

PLAIN_TEXT = "text"
"""The role of a plain text, which is a whole example: learned as it stands, without a chat template."""
LEARNED = ("assistant", PLAIN_TEXT)
"""Roles whose messages are trained on, unless their weight says otherwise."""


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


def plain_hashes(roles: Sequence[str], contents: Sequence[str]) -> list[str]:
    """`content_hash` of conversations that have these roles and nothing but contents, given one after the other."""
    conversations = zip(*(contents[place :: len(roles)] for place in range(len(roles))), strict=True)
    spoken = [{"content": "", "role": role} for role in roles]

    def filled() -> Iterator[list[dict[str, str]]]:
        if len(spoken) == 2:  # most conversations; without the inner loop it takes a quarter of the time
            first, second = spoken
            for first["content"], second["content"] in conversations:
                yield spoken
            return
        for contents in conversations:
            for message, content in zip(spoken, contents, strict=True):
                message["content"] = content
            yield spoken

    return json_hashes(filled())


def conversation_group(messages: Iterable[Message]) -> str:
    """The first `group` of a conversation: hash of who says what, whatever its weights and tools. 32 digits."""
    return record_hash(*(part for m in messages for part in (m.role, m.content, m.tool_calls or "")))


def trained_weight(message: Spoken) -> float:
    """The weight of a message's loss, with the default spelled out: 1 for those of LEARNED, 0 for everyone else."""
    return default_weight(message.role) if message.weight is None else message.weight


def default_weight(role: str) -> float:
    """The weight of the loss of a message that names none."""
    return 1.0 if role in LEARNED else 0.0


def is_plain_text(messages: Sequence[Spoken]) -> bool:
    """Whether an example is a plain text, not a conversation: one message of the role `text`, and nothing else."""
    return len(messages) == 1 and messages[0].role == PLAIN_TEXT
