"""What rendering a row gives: the turns of a conversation, or the reason why there are none."""

from __future__ import annotations

from typing import NamedTuple


class Turn(NamedTuple):
    """One message; the fields are those of `schema.Message`, of which None is the default."""

    role: str
    content: str
    weight: float | None = None
    name: str | None = None
    tool_calls: str | None = None
    """Canonical JSON list of {id, type, function: {name, arguments}}."""
    tool_call_id: str | None = None


class Rendered(NamedTuple):
    """A rendered row."""

    turns: list[Turn]
    tools: str | None = None
    """Canonical JSON list of function definitions."""
    variant: str | None = None
    """What was drawn: `phrasing=2,options=letters`."""


class Refusal(NamedTuple):
    """Why a row was not rendered: the parts of a `Drop`."""

    rule: str
    value: str | None
    threshold: str | None
    detail: str


def shortened(text: str, characters: int = 1_000) -> str:
    """A text for a message about it: its beginning, and `…` where there is more."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
