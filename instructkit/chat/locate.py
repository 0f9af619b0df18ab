"""Where in the rendered conversation the trained messages lie, in characters.

<|im_start|>user⏎Ping?<|im_end|>⏎<|im_start|>assistant⏎Pong.<|im_end|>⏎
└─────────────┘ target: the reply and its stop token
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from instructkit.chat.rendering import ChatFormat, Turn, turn
from instructkit.chat.scaffold import Scaffolds
from instructkit.chat.search import FAILURES, Rendered, Target, Unlabelled, holds, leaves, search
from instructkit.schema import Message
from instructkit.text.conversation import PLAIN_TEXT, trained_weight


@dataclass(frozen=True)
class Located:
    """A rendered conversation with its targets, in order."""

    text: str
    targets: tuple[Target, ...]


def is_trained(message: Message) -> bool:
    """Whether any token of the message has weight: the message itself, or one of its spans."""
    return trained_weight(message) > 0 or any(span.weight > 0 for span in message.spans or [])


def locate(
    messages: Sequence[Message], tools: list[Any] | None, chat: ChatFormat, scaffolds: Scaffolds | None = None
) -> Located:
    """Render a conversation and find what is trained on; `scaffolds` spare a search. Raises Unlabelled."""
    if any(message.role == PLAIN_TEXT for message in messages):
        raise Unlabelled(
            "text", "a plain text is a whole example: no chat template writes it, and nothing stands beside"
        )
    if any(message.media for message in messages):
        raise Unlabelled("media", "a message holds more than text, and only text can be trained on")
    try:
        turns = [turn(message) for message in messages]
    except ValueError as error:
        raise Unlabelled("json", f"tool calls are not JSON: {error}") from error
    try:
        text, marks = chat.render(turns, tools)
    except FAILURES as error:
        raise Unlabelled("template", f"the chat template refuses the conversation: {error}") from error
    _check_nothing_is_lost(turns, tools, text, chat)
    if scaffolds is not None and tools is None and all(t.keys() == {"role", "content"} for t in turns):
        scaffold = scaffolds.of([m.role for m in messages], [m.weight for m in messages])
        contents = [m.content for m in messages]
        if scaffold is not None and not any(m.spans for m in messages) and scaffold.explains(text, contents):
            return Located(text, scaffold.targets(contents, 1.0))
    given = Rendered(messages, turns, tools, text, marks)
    targets = tuple(search(given, i, trained_weight(m), chat) for i, m in enumerate(messages) if is_trained(m))
    for before, after in pairwise(targets):
        if after.start < before.end:
            raise Unlabelled("overlap", f"messages {before.message} and {after.message} overlap in the rendered text")
    return Located(text, targets)


def _check_nothing_is_lost(turns: list[Turn], tools: list[Any] | None, text: str, chat: ChatFormat) -> None:
    for i, given in enumerate(turns):
        _check_control_tokens(given, f"message {i} holds", chat)
        if not holds(text, given["content"].strip()):
            raise Unlabelled("lost", f"the chat template leaves out or changes message {i} ({given['role']})")
        if any(name not in text for name in _function_names(given.get("tool_calls"))):
            raise Unlabelled("lost", f"the chat template leaves out the tool calls of message {i}")
    if any(name not in text for name in _function_names(tools)):
        raise Unlabelled("lost", "the chat template leaves out the tools")
    _check_control_tokens(tools, "the tools hold", chat)


def _check_control_tokens(given: Any, who: str, chat: ChatFormat) -> None:
    for leaf in leaves(given):
        if isinstance(leaf, str) and (found := chat.special.search(leaf)):
            raise Unlabelled("control-token", f"{who} {found[0]!r}, which the tokenizer reads as a control token")


def _function_names(functions: Any) -> list[str]:
    """Names in a list of tools or tool calls. Raises Unlabelled for JSON of another shape."""
    try:
        return [str(f.get("function", f)["name"]) for f in functions or []]
    except (AttributeError, KeyError, TypeError) as error:
        raise Unlabelled("json", "tools and tool calls must be lists of {function: {name, …}}") from error
