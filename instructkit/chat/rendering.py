"""Conversations written as text by the chat template of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import orjson

from instructkit.chat.environment import Marks, compiled
from instructkit.chat.spelling import Spelling, spelling
from instructkit.schema import Message

Reads = Literal["conversation", "document", "pair", "class"]
"""What an example is to a model: a conversation whose replies are learned; a text, all of it learned; what is read and
what is written behind it; what is read and its class."""
PLAIN = "{% for message in messages %}{{ message.content }}{{ '' if loop.last else '\n\n' }}{% endfor %}"
"""The template of models that have none and need none: the contents, with empty lines between them."""
Turn = dict[str, Any]
"""A message as chat templates take it: role, content and, where there is one, name, tool_calls, tool_call_id, …"""


@dataclass(frozen=True)
class ChatFormat:
    """How conversations are written for one model."""

    tokenizer: Any
    """A fast Hugging Face tokenizer: one that says which characters a token covers."""
    template: str
    """Jinja text."""
    marks_replies: bool
    """Whether the template says with `{% generation %}` what the model writes."""
    special: re.Pattern[str]
    """Matches any control token of the tokenizer."""
    stop: str = ""
    """The token that ends a reply; `""` only while the format is being probed."""
    openers: frozenset[str] = frozenset()
    """Control tokens that open a message: found behind a reply, they belong to the next one."""
    variables: dict[str, str] = field(default_factory=dict)
    """Control tokens that templates refer to by name (`bos_token`, `eos_token`, …)."""
    reads: Reads = "conversation"
    classes: tuple[str, ...] = ()
    """Of a classifier, in the order of its outputs."""
    piece_tokens: int = 0
    """Of documents, and of plain texts among conversations: longer ones are cut into pieces of so many tokens. 0: they
    are not cut."""

    @property
    def plain(self) -> bool:
        """Whether there is no chat template: texts are written as the tokenizer writes texts."""
        return self.template == PLAIN

    @property
    def answers(self) -> bool:
        """Whether a model of this format replies to a conversation."""
        return self.reads in ("conversation", "pair")

    @property
    def identity(self) -> list[Any]:
        """Everything that tokens depend on beside the examples, as JSON takes it."""
        made = [self.tokenizer.backend_tokenizer.to_str(), self.template, self.reads, list(self.classes)]
        return [*made, self.piece_tokens, self.variables, self.stop]

    @cached_property
    def spelling(self) -> Spelling | None:
        """The bytes of each token, where the tokenizer is byte-level."""
        return spelling(self.tokenizer)

    @cached_property
    def control_ids(self) -> dict[str, int]:
        """The id of each control token."""
        return {t.content: i for i, t in self.tokenizer.added_tokens_decoder.items()}

    @property
    def stop_id(self) -> int:
        """Id of the token that ends a reply."""
        return int(self.tokenizer.convert_tokens_to_ids(self.stop))

    def render(
        self, turns: Sequence[Turn], tools: list[Any] | None = None, prompt: bool = False, marks: bool = True
    ) -> tuple[str, Marks]:
        """The conversation as text, and the character ranges inside `{% generation %}`.

        `prompt`: followed by what makes the model answer. `marks` False: without the ranges. Raises
        jinja2.TemplateError (a template that refuses a conversation says so with it), and TypeError or ValueError
        where the template's own code fails.
        """
        variables = {
            "messages": turns,
            "tools": tools,
            "documents": None,
            "add_generation_prompt": prompt,
            **self.variables,
        }
        return compiled(self.template, marks and self.marks_replies)(variables)


def turn(message: Message) -> Turn:
    """A message as chat templates take it; JSON columns are opened."""
    given: Turn = {"role": message.role, "content": message.content}
    if message.name is not None:
        given["name"] = message.name
    if message.tool_calls is not None:
        given["tool_calls"] = orjson.loads(message.tool_calls)
    if message.tool_call_id is not None:
        given["tool_call_id"] = message.tool_call_id
    if message.reasoning is not None:
        # Two names for one thing: most templates read the first, gpt-oss's the second; transformers gives both too.
        given["reasoning_content"] = given["thinking"] = message.reasoning
    return given
