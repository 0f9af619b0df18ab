"""Conversations written as text by the chat template of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from instructkit.schema import Message

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
    variables: dict[str, str] = field(default_factory=dict)
    """Control tokens that templates refer to by name (`bos_token`, `eos_token`, …)."""

    @property
    def stop_id(self) -> int:
        """Id of the token that ends a reply."""
        return int(self.tokenizer.convert_tokens_to_ids(self.stop))

    def render(
        self, turns: Sequence[Turn], tools: list[Any] | None = None, prompt: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        """The conversation as text, and the character ranges inside `{% generation %}`.

        `prompt`: followed by what makes the model answer. Raises jinja2.TemplateError (a template that refuses a
        conversation says so with it), and TypeError or ValueError where the template's own code fails.
        """
        from transformers.utils.chat_template_utils import render_jinja_template

        texts, ranges = render_jinja_template(
            [list(turns)],
            tools=tools,
            chat_template=self.template,
            return_assistant_tokens_mask=self.marks_replies,
            add_generation_prompt=prompt,
            **self.variables,
        )
        return texts[0], list(ranges[0]) if ranges else []


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
        given["reasoning_content"] = message.reasoning
    return given
