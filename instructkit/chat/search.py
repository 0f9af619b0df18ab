"""Where in a rendered conversation a reply lies, searched for in three ways. Every find is tried before it is believed.

    generation   the template itself marks what the model writes, with {% generation %}
    prefix       what the conversation has more than the same conversation cut before the reply, ready to be answered
    placeholder  what changes in the text when the message's content does

A find is believed when it holds the whole message, ends with a control token that stops the model, and stays the same
when everybody else says something else. A template's own marks may cover too little or too much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import TemplateError

from instructkit.chat.rendering import ChatFormat, Turn
from instructkit.schema import Message

PLACEHOLDER = "qZ7placeholderZq"
FAILURES = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a chat template raises when it refuses or trips over a conversation; it is code written by strangers."""


class Unlabelled(Exception):
    """A conversation that cannot be labelled without guessing. `rule` names the reason, `detail` explains it."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule, self.detail = rule, detail
        super().__init__(f"{rule}: {detail}")


class Target(NamedTuple):
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
class Rendered:
    """A conversation and its text."""

    messages: Sequence[Message]
    turns: Sequence[Turn]
    tools: list[Any] | None
    text: str
    marks: list[tuple[int, int]]

    def with_turn(self, i: int, turn: Turn) -> list[Turn]:
        """The turns, the i-th being another."""
        return [*self.turns[:i], turn, *self.turns[i + 1 :]]


class _Find(NamedTuple):
    """A range of the text that may be a reply."""

    start: int
    end: int
    closed: bool
    """Whether the token that stops the model may lie inside; else it can only come behind."""


def search(given: Rendered, i: int, weight: float, chat: ChatFormat) -> Target:
    """The target of message i. Raises Unlabelled with the clearest reason of the ways that were tried."""
    if given.messages[i].role != "assistant":
        start, end = _by_placeholder(given, i, chat)
        _believe(given, i, start, end, chat)
        return Target(start, end, weight, "", i, _span_ranges(given.messages[i], given.text, start, end))
    reason = None
    for find in _finds(given, i, chat):
        try:
            if isinstance(find, Unlabelled):
                raise find
            end, stop = _with_stop(given, i, find, chat)
            _believe(given, i, find.start, end - len(stop), chat)
            spans = _span_ranges(given.messages[i], given.text, find.start, end - len(stop))
            return Target(find.start, end, weight, stop, i, spans)
        except Unlabelled as fault:
            reason = fault if reason is None or reason.rule == "not-found" else reason
    assert reason is not None  # the last way always gives a find or a reason
    raise reason


def _finds(given: Rendered, i: int, chat: ChatFormat) -> Iterator[_Find | Unlabelled]:
    replies = [j for j, m in enumerate(given.messages) if m.role == "assistant"]
    # A template may write two replies in a row as one: then the marks do not belong to messages.
    marked = _Find(*given.marks[replies.index(i)], closed=True) if len(given.marks) == len(replies) else None
    # Marks around more than the message may hold what the prompt says already: then the prefix knows better.
    exact = marked is not None and given.text[marked.start : marked.end].strip() == given.turns[i]["content"].strip()
    if exact and marked is not None:
        yield marked
    start, end = _by_prefix(given, i, chat)
    if start is not None and end is not None and start < end:
        yield _Find(start, end, closed=True)
    placed: _Find | Unlabelled
    try:
        placed = _Find(*_by_placeholder(given, i, chat), closed=False)
        # The last reply may end in another way than earlier ones: only its start is that of a conversation cut there.
        if start is not None and start <= placed.start:
            yield placed._replace(start=start)
    except Unlabelled as fault:
        placed = fault
    if marked is not None and not exact:
        yield marked
    yield placed


def _by_prefix(given: Rendered, i: int, chat: ChatFormat) -> tuple[int | None, int | None]:
    """Where the prompt that message i answers ends, and where the conversation up to message i does."""
    start = end = None
    try:
        prompt, _ = chat.render(given.turns[:i], given.tools, prompt=True)
        start = len(prompt) if given.text.startswith(prompt) else None
        # Trailing line ends differ between a conversation that ends here and one that goes on.
        whole = given.text if i == len(given.turns) - 1 else chat.render(given.turns[: i + 1], given.tools)[0]
        end = len(whole.rstrip()) if given.text.startswith(whole.rstrip()) else None
    except FAILURES:
        pass
    return start, end


def _by_placeholder(given: Rendered, i: int, chat: ChatFormat) -> tuple[int, int]:
    turn = given.turns[i]
    try:
        # Without calls and thoughts: what the template writes for them changes too, and so lies in between.
        changed, _ = chat.render(given.with_turn(i, {"role": turn["role"], "content": PLACEHOLDER}), given.tools)
    except FAILURES as error:
        raise Unlabelled("not-found", f"message {i}: the chat template depends on its content ({error})") from error
    before, found, after = changed.partition(PLACEHOLDER)
    if not given.text.startswith(before):
        before = before.rstrip()  # a space in front of words, say, that is not written in front of calls
    start, end = len(before), len(given.text) - len(after)
    if not found or start > end or not (given.text.startswith(before) and given.text.endswith(after)):
        raise Unlabelled("not-found", f"message {i}: the text around it depends on its content")
    if turn["content"].strip() not in given.text[start:end]:
        raise Unlabelled("lost", f"the chat template changes the content of message {i}")
    return start, end


def _with_stop(given: Rendered, i: int, find: _Find, chat: ChatFormat) -> tuple[int, str]:
    """The end of a reply moved behind its stop token, and that token: the first one behind what the message says.

    Some templates end the last reply twice, once as a turn and once as a text.
    """
    text, turn = given.text, given.turns[i]
    body = text[find.start : find.end].rstrip()
    content = "" if turn.get("tool_calls") else turn["content"].strip()
    inside = [
        m
        for m in chat.special.finditer(body)
        if (body[: m.start()].rstrip().endswith(content) if content else m.end() == len(body))
    ]
    if inside and find.closed:
        stop, end = inside[0][0], find.start + inside[0].end()
    else:
        after = find.start + len(body)
        match = chat.special.match(text, after + len(text[after:]) - len(text[after:].lstrip()))
        stop, end = (match[0], match.end()) if match is not None else ("", after)
    if not stop or stop in chat.openers:
        raise Unlabelled("no-stop", "no control token ends the reply, so the model would never learn to stop")
    return end, stop


def _believe(given: Rendered, i: int, start: int, end: int, chat: ChatFormat) -> None:
    """Raises Unlabelled unless the text from `start` to `end` is message i, whole, and nobody else's words."""
    turn, body = given.turns[i], given.text[start:end].strip()
    content = turn["content"].strip()
    # Earlier reasoning is left out by the design of many templates; that of the last message is what is trained on.
    reasoning = turn.get("reasoning_content", "").strip()
    if reasoning not in body and (i == len(given.turns) - 1 or reasoning in given.text):
        raise Unlabelled("lost", f"the chat template leaves out the reasoning of message {i}")
    if content not in body:
        raise Unlabelled("lost", f"the chat template leaves out or changes part of message {i}")
    for call in turn.get("tool_calls") or []:
        if not all(holds(body, leaf) for leaf in leaves(call.get("function", call))):
            raise Unlabelled("lost", f"the chat template leaves out part of the tool calls of message {i}")
    if body == content:
        return
    others = [
        {**t, "content": PLACEHOLDER} if j != i and t["content"].strip() else t for j, t in enumerate(given.turns)
    ]
    try:
        changed, _ = chat.render(others, given.tools)
    except FAILURES as error:
        raise Unlabelled("not-found", f"message {i}: the chat template depends on the others ({error})") from error
    if body not in changed:
        raise Unlabelled("not-found", f"message {i}: what the template writes for it holds words of other messages")


def leaves(value: Any) -> Iterator[Any]:
    """The texts, numbers and other leaves of plain data, in order."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def holds(text: str, leaf: Any) -> bool:
    """Whether a text holds the leaf, as it is or as JSON writes it."""
    if isinstance(leaf, str):
        spellings = [leaf, json.dumps(leaf, ensure_ascii=False)[1:-1], json.dumps(leaf)[1:-1]]
    else:
        spellings = [json.dumps(leaf), str(leaf)]
    return any(spelling.strip() in text for spelling in spellings)


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
