"""`export.trl`: JSONL for TRL's trainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.schema import Example, Message, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.export.lines import (
    Lossy,
    Refusal,
    Row,
    chat_message,
    default_weight,
    export_lines,
    first_loss,
    tools_of,
    untold_weight,
)
from instructkit.text.conversation import is_plain_text, trained_weight


@dataclass(frozen=True, kw_only=True)
class ExportTrl:
    """Write JSONL rows for TRL, in its conversational form. Tool calls keep their arguments as objects.

    A plain text becomes a row of `text`, TRL's form for language modeling. TRL reads one form a file: texts that were
    mixed with conversations go into a step of their own, behind a filter.

    `messages` trains on every assistant's turn (set `assistant_only_loss` there); `prompt_completion` trains on the
    last turn only. Reasoning is written as `reasoning_content`, the key that chat templates of reasoning models read.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("orjson",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "jsonl"
    file_name: ClassVar[str] = "{split}.jsonl"
    unsplit: ClassVar[str] = "all"

    style: Literal["messages", "prompt_completion"] = "messages"
    """`messages`: one list, for examples trained on in every assistant's turn. `prompt_completion`: everything before
    the last turn, and the last turn, for examples trained on in that alone."""
    lossy: Lossy = "drop"
    """What becomes of an example that the style has no place for (an untrained assistant's turn among `messages`, a
    trained one in a prompt, spans, candidates): `drop` it with the reason, or `allow` it to be written without."""
    extras: bool = True
    """Write `id`, and `weight` and `repeats` where they are not 1, beside the format's keys; TRL ignores them."""

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Columns id, split, line; drops for examples that the style cannot hold."""
        return export_lines(shard, self._row, self.extras)

    def _row(self, example: Example) -> Row | Refusal:
        turns = example.messages
        if is_plain_text(turns):
            return self._text_row(example)
        pair = self.style == "prompt_completion"
        if not any(turn.role == "assistant" for turn in turns):
            return Refusal("turns", "there is no assistant's message to train on")
        if pair and (len(turns) < 2 or turns[-1].role != "assistant"):
            return Refusal("turns", "a completion is an assistant's message after a prompt", turns[-1].role)
        weights = _untold_in_pair(turns) if pair else untold_weight(turns, default_weight)
        loss = first_loss(example, extras=self.extras, names=True, reasoning=True) or weights
        if loss and self.lossy == "drop":
            return loss
        messages = [_message(turn) for turn in turns]
        row: Row = {"prompt": messages[:-1], "completion": messages[-1:]} if pair else {"messages": messages}
        if tools := tools_of(example):
            row["tools"] = tools
        return row

    def _text_row(self, example: Example) -> Row | Refusal:
        loss = first_loss(example, extras=self.extras, names=False, reasoning=False)
        loss = loss or untold_weight(example.messages, default_weight)
        return loss if loss and self.lossy == "drop" else {"text": example.messages[0].content}


def _untold_in_pair(turns: list[Message]) -> Refusal | None:
    last = turns[-1]
    return untold_weight(turns, lambda turn: trained_weight(turn) == (1.0 if turn is last else 0.0))


def _message(turn: Message) -> Row:
    row = chat_message(turn, arguments_as_text=False)
    if turn.reasoning:
        row["reasoning_content"] = turn.reasoning
    return row
