"""`export.openai`: chat JSONL as OpenAI's fine-tuning takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.schema import Example, Message, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.export.lines import (
    PLAIN_TEXT,
    Lossy,
    Refusal,
    Row,
    chat_message,
    export_lines,
    first_loss,
    tools_of,
    untold_weight,
)
from instructkit.text.conversation import is_plain_text, trained_weight


@dataclass(frozen=True, kw_only=True)
class ExportOpenai:
    """Write JSONL rows of `messages` and `tools`, as OpenAI's fine-tuning and most chat trainers take them.

    An assistant's turn that is not trained on carries `weight: 0`. Arguments of tool calls are JSON text, as that
    format wants them.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("orjson",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "jsonl"
    file_name: ClassVar[str] = "{split}.jsonl"
    unsplit: ClassVar[str] = "all"

    lossy: Lossy = "drop"
    """What becomes of an example that holds something the format has no place for (reasoning, spans, candidates,
    weights other than 0 and 1): `drop` it with the reason, or `allow` it to be written without."""
    extras: bool = True
    """Write `id`, and `weight` and `repeats` where they are not 1, beside the format's keys. Off for OpenAI's own
    service, which may refuse keys that it does not know."""

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Columns id, split, line; drops for examples that the format cannot hold."""
        return export_lines(shard, self._row, self.extras)

    def _row(self, example: Example) -> Row | Refusal:
        if is_plain_text(example.messages):
            return PLAIN_TEXT
        turns = example.messages
        if not any(turn.role == "assistant" for turn in turns):
            return Refusal("turns", "there is no assistant's message to train on")
        loss = first_loss(example, extras=self.extras, names=True, reasoning=False) or untold_weight(turns, _told)
        if loss and self.lossy == "drop":
            return loss
        row: Row = {"messages": [_message(turn) for turn in turns]}
        if tools := tools_of(example):
            row["tools"] = tools
        return row


def _told(turn: Message) -> bool:
    return trained_weight(turn) in ((0.0, 1.0) if turn.role == "assistant" else (0.0,))


def _message(turn: Message) -> Row:
    row = chat_message(turn, arguments_as_text=True)
    if turn.role == "assistant" and trained_weight(turn) == 0:
        row["weight"] = 0
    return row
