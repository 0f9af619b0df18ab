"""Where in the rendered conversation the trained messages lie, in characters.

    <|im_start|>user⏎Ping?<|im_end|>⏎<|im_start|>assistant⏎Pong.<|im_end|>⏎
                                                           └─────────────┘ target: the reply and its stop token

Three ways, tried in this order, each checked against the text that is really trained on:

    generation   the template itself marks what the model writes, with {% generation %}
    prefix       what the conversation has more than the same conversation cut before the reply, ready to be answered
    placeholder  what changes in the text when the message's content does
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from jinja2 import TemplateError

from instructkit.chat.rendering import ChatFormat, Turn, turn
from instructkit.schema import Message
from instructkit.text.conversation import trained_weight

PLACEHOLDER = "qZ7placeholderZq"
FAILURES = (TemplateError, TypeError, ValueError, KeyError, IndexError, AttributeError)
"""What a chat template raises when it refuses or trips over a conversation; it is code written by strangers."""


class Unlabelled(Exception):
    """A conversation that cannot be labelled without guessing. `rule` names the reason, `detail` explains it."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule, self.detail = rule, detail
        super().__init__(f"{rule}: {detail}")


@dataclass(frozen=True)
class Target:
    """A range of the text that is trained on; `end` is exclusive and behind the stop token, if there is one."""

    start: int
    end: int
    weight: float
    stop: str
    """The control token that ends it; `""` for a message that is not a reply."""
    message: int
    """Index of the message."""
    spans: tuple[tuple[int, int, float], ...] = ()
    """Ranges of the text inside the target with a weight of their own."""


@dataclass(frozen=True)
class Located:
    """A rendered conversation with its targets, in order."""

    text: str
    targets: tuple[Target, ...]


def is_trained(message: Message) -> bool:
    """Whether any token of the message has weight: the message itself, or one of its spans."""
    return trained_weight(message) > 0 or any(span.weight > 0 for span in message.spans or [])


def locate(messages: Sequence[Message], tools: list[Any] | None, chat: ChatFormat) -> Located:
    """Render a conversation once and find what is trained on. Raises Unlabelled."""
    try:
        turns = [turn(message) for message in messages]
    except ValueError as error:
        raise Unlabelled("json", f"tool calls are not JSON: {error}") from error
    try:
        text, marked = chat.render(turns, tools)
    except FAILURES as error:
        raise Unlabelled("template", f"the chat template refuses the conversation: {error}") from error
    _check_nothing_is_lost(turns, tools, text, chat)
    trained = [(i, trained_weight(m)) for i, m in enumerate(messages) if is_trained(m)]
    targets = []
    replies = [i for i, m in enumerate(messages) if m.role == "assistant"]
    for i, weight in trained:
        if messages[i].role != "assistant":
            start, end = _by_placeholder(turns, tools, i, text, chat)
            stop = ""
        else:
            # A template may write two replies in a row as one: then the marks do not belong to messages.
            found = marked[replies.index(i)] if len(marked) == len(replies) else None
            found = found or _by_prefix(turns, tools, i, text, chat)
            start, end = found or _by_placeholder(turns, tools, i, text, chat)
            end, stop = _with_stop(text, start, end, chat)
        spans = _span_ranges(messages[i], text, start, end - len(stop))
        targets.append(Target(start=start, end=end, weight=weight, stop=stop, message=i, spans=spans))
    for before, after in pairwise(targets):
        if after.start < before.end:
            raise Unlabelled("overlap", f"messages {before.message} and {after.message} overlap in the rendered text")
    return Located(text, tuple(targets))


def _check_nothing_is_lost(turns: list[Turn], tools: list[Any] | None, text: str, chat: ChatFormat) -> None:
    for i, given in enumerate(turns):
        if found := chat.special.search(given["content"]):
            raise Unlabelled(
                "control-token", f"message {i} holds {found[0]!r}, which the tokenizer reads as a control token"
            )
        if given["content"].strip() not in text:
            raise Unlabelled("lost", f"the chat template leaves out or changes message {i} ({given['role']})")
        if any(name not in text for name in _function_names(given.get("tool_calls"))):
            raise Unlabelled("lost", f"the chat template leaves out the tool calls of message {i}")
    if any(name not in text for name in _function_names(tools)):
        raise Unlabelled("lost", "the chat template leaves out the tools")
    # Earlier reasoning is left out by the design of many templates; that of the last message is what is trained on.
    if turns and turns[-1].get("reasoning_content", "").strip() not in text:
        raise Unlabelled("lost", "the chat template leaves out the reasoning of the last message")


def _function_names(functions: Any) -> list[str]:
    """Names in a list of tools or tool calls. Raises Unlabelled for JSON of another shape."""
    try:
        return [str(f.get("function", f)["name"]) for f in functions or []]
    except (AttributeError, KeyError, TypeError) as error:
        raise Unlabelled("json", "tools and tool calls must be lists of {function: {name, …}}") from error


def _by_prefix(
    turns: list[Turn], tools: list[Any] | None, i: int, text: str, chat: ChatFormat
) -> tuple[int, int] | None:
    try:
        prompt, _ = chat.render(turns[:i], tools, prompt=True)
        whole, _ = chat.render(turns[: i + 1], tools)
    except FAILURES:
        return None
    # Trailing line ends differ between a conversation that ends here and one that goes on.
    whole = whole.rstrip()
    if len(prompt) < len(whole) and text.startswith(whole) and whole.startswith(prompt):
        return len(prompt), len(whole)
    return None


def _by_placeholder(turns: list[Turn], tools: list[Any] | None, i: int, text: str, chat: ChatFormat) -> tuple[int, int]:
    if turns[i].get("tool_calls") or turns[i].get("reasoning_content"):
        raise Unlabelled("not-found", f"what the model writes in message {i} cannot be told from the template's text")
    try:
        changed, _ = chat.render([*turns[:i], {**turns[i], "content": PLACEHOLDER}, *turns[i + 1 :]], tools)
    except FAILURES as error:
        raise Unlabelled("not-found", f"message {i}: the chat template depends on its content ({error})") from error
    before, found, after = changed.partition(PLACEHOLDER)
    start, end = len(before), len(text) - len(after)
    content = turns[i]["content"]
    if not found or start > end or not (text.startswith(before) and text.endswith(after)):
        raise Unlabelled("not-found", f"message {i}: the text around it depends on its content")
    if text[start:end].strip() != content.strip():
        raise Unlabelled("lost", f"the chat template changes the content of message {i}")
    return start, end


def _with_stop(text: str, start: int, end: int, chat: ChatFormat) -> tuple[int, str]:
    """The end of a reply moved behind its stop token, and that token."""
    body = text[start:end].rstrip()
    inside = [m for m in chat.special.finditer(body) if m.end() == len(body)]
    if inside:
        return start + len(body), inside[-1][0]
    after = start + len(body)
    after += len(text[after:]) - len(text[after:].lstrip())
    match = chat.special.match(text, after)
    opens = match is not None and match[0] == chat.variables.get("bos_token") != chat.variables.get("eos_token")
    if match is None or opens:
        raise Unlabelled("no-stop", "no control token ends the reply, so the model would never learn to stop")
    return match.end(), match[0]


def _span_ranges(message: Message, text: str, start: int, end: int) -> tuple[tuple[int, int, float], ...]:
    """The message's spans as ranges of the text; `end` lies behind the content, before the stop token."""
    if not message.spans:
        return ()
    core = message.content.strip()
    at = text.rfind(core, start, end)
    if at < 0 or text.count(core, start, end) != 1:
        raise Unlabelled("spans", "the content with spans cannot be found in the rendered text")
    shift = at - (len(message.content) - len(message.content.lstrip()))
    for span in message.spans:
        if not 0 <= span.start < span.end <= len(message.content):
            raise Unlabelled("spans", f"span {span.start}:{span.end} does not lie in the content")
    return tuple((span.start + shift, span.end + shift, span.weight) for span in message.spans)
