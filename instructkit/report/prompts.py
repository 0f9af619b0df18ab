"""Files of prompts for a model to answer."""

from __future__ import annotations

from pathlib import Path

import msgspec

from instructkit.errors import UsageFault
from instructkit.schema import Message


class _Line(msgspec.Struct):
    prompt: str | None = None
    messages: list[Message] | None = None


def read_prompts(file: Path) -> list[list[Message]]:
    """The conversations of a file of JSON lines, each with `prompt` or `messages`; empty lines are skipped.

    Raises UsageFault with the line at fault.
    """
    found = []
    for number, text in enumerate(file.read_bytes().splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UsageFault(f"{file}:{number}: {error}; expected a JSON object with prompt or messages") from None
        if line.messages:
            found.append(line.messages)
        elif line.prompt:
            found.append([Message(role="user", content=line.prompt)])
        else:
            raise UsageFault(f"{file}:{number}: has neither a prompt nor messages")
    if not found:
        raise UsageFault(f"{file}: no prompts")
    return found
