"""A chat format: a tokenizer, the Jinja template it is used with, and the token that ends a reply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from instructkit.chat.chatml import CHATML, START, STOP
from instructkit.errors import TrainingError
from instructkit.schema import Message

Turn = dict[str, Any]
"""A message as chat templates take it: role, content and, where there is one, name, tool_calls, tool_call_id, …"""

_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


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


def template_text(wanted: str | None, tokenizer: Any) -> str:
    """The Jinja text of a `chat_template` setting.

    None: the tokenizer's own, else ChatML. `chatml`: ours. A path that ends in `.jinja`: that file. Other text is
    the template itself. Raises TrainingError for a file that cannot be read.
    """
    if wanted == "chatml":
        return CHATML
    if wanted is not None and wanted.endswith(".jinja"):
        try:
            return Path(wanted).read_text(encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"chat_template '{wanted}': cannot be read ({error.strerror})") from error
    own = wanted or tokenizer.chat_template
    if isinstance(own, dict):  # several named templates; "default" is the plain conversation
        own = own.get("default")
    return own or CHATML


def chat_format(tokenizer: Any, template: str | None = None) -> ChatFormat:
    """The format of a tokenizer, probed: a reply can be told from its prompt and ends with a control token.

    Where ChatML is used, its control tokens are added to a tokenizer that lacks them; the caller then gives the model
    rows for them (`len(tokenizer)`). Raises TrainingError with the reason where the template cannot be trained on.
    """
    from instructkit.chat.locate import Unlabelled, locate

    if not getattr(tokenizer, "is_fast", False):
        raise TrainingError(
            f"tokenizer {type(tokenizer).__name__}: does not say which characters a token covers; "
            "labels need a fast tokenizer (one with a tokenizer.json)"
        )
    text = template_text(template, tokenizer)
    if text == CHATML:
        missing = [token for token in (START, STOP) if token not in tokenizer.get_vocab()]
        if missing:
            tokenizer.add_special_tokens({"additional_special_tokens": missing}, replace_extra_special_tokens=False)
    specials = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
    specials |= set(tokenizer.all_special_tokens)
    # Longest first: where one control token begins with another, the longer is meant.
    pattern = "|".join(re.escape(token) for token in sorted(specials, key=len, reverse=True) if token)
    variables = {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)}
    probed = ChatFormat(
        tokenizer=tokenizer,
        template=text,
        marks_replies=bool(_GENERATION.search(text)),
        special=re.compile(pattern or r"(?!)"),
        variables=variables,
    )
    probe = [Message(role="user", content="Ping?"), Message(role="assistant", content="Pong.")]
    try:
        located = locate(probe, None, probed)
    except Unlabelled as fault:
        raise TrainingError(
            f"chat template of {tokenizer.name_or_path or type(tokenizer).__name__}: {fault.detail} [{fault.rule}]; "
            "set chat_template: chatml, or give a template with {% generation %}"
        ) from fault
    return ChatFormat(**{**vars(probed), "stop": located.targets[-1].stop})
