"""The hash of a conversation: what two examples share when a model would learn the same from them."""

from __future__ import annotations

import msgspec

from instructkit.hashing import canonical_json, record_hash
from instructkit.schema import Message


def content_hash(messages: list[Message], tools: str | None) -> str:
    """Hash of messages and tools; changes when what is trained on changes."""
    return record_hash(canonical_json([msgspec.to_builtins(m) for m in messages]), tools or "")
