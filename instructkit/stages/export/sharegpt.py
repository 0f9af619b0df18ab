"""`export.sharegpt`: rows of `conversations` with `from` and `value`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import orjson
import polars as pl

from instructkit.schema import Example, Message, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.export.lines import (
    PLAIN_TEXT,
    Lossy,
    Refusal,
    Row,
    default_weight,
    export_lines,
    first_loss,
    tool_calls,
    untold_weight,
)
from instructkit.text.conversation import is_plain_text

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
ASKING = {"human", "observation"}


@dataclass(frozen=True, kw_only=True)
class ExportSharegpt:
    """Write JSONL rows of `conversations`, each turn with `from` and `value`.

    Speakers are system, human, gpt, and with tools function_call and observation, as LLaMA-Factory reads them; `tools`
    is JSON text. Turns must alternate between those who ask (human, observation) and those who answer.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("orjson",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "jsonl"
    file_name: ClassVar[str] = "{split}.jsonl"
    unsplit: ClassVar[str] = "all"

    lossy: Lossy = "drop"
    """What becomes of an example that holds something the format has no place for (reasoning, names, spans, candidates,
    weights of messages): `drop` it with the reason, or `allow` it to be written without."""
    extras: bool = True
    """Write `id`, and `weight` and `repeats` where they are not 1, beside the format's keys."""

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Columns id, split, line; drops for examples that the format cannot hold."""
        return export_lines(shard, self._row, self.extras)

    def _row(self, example: Example) -> Row | Refusal:
        if is_plain_text(example.messages):
            return PLAIN_TEXT
        said: list[Row] = []
        for turn in example.messages:
            line = _line(turn)
            if isinstance(line, Refusal):
                return line
            said.append(line)
        speakers = [line["from"] for line in said]
        turns = speakers[1:] if speakers[:1] == ["system"] else speakers
        asks = [speaker in ASKING for speaker in turns]
        if "system" in turns or not turns or len(turns) % 2 or asks != [True, False] * (len(turns) // 2):
            return Refusal("turns", "turns must alternate, and end with an answer", " ".join(speakers))
        loss = first_loss(example, extras=self.extras, names=False, reasoning=False)
        loss = loss or untold_weight(example.messages, default_weight)
        if loss and self.lossy == "drop":
            return loss
        row: Row = {"conversations": said}
        if example.tools:
            row["tools"] = example.tools
        return row


def _line(turn: Message) -> Row | Refusal:
    calls = tool_calls(turn)
    if not calls:
        if turn.role not in SPEAKERS:
            return Refusal("roles", f"the format knows {', '.join(SPEAKERS)}", turn.role)
        return {"from": SPEAKERS[turn.role], "value": turn.content}
    if len(calls) > 1:
        return Refusal("tools", "the format holds one call at a time", str(len(calls)))
    if turn.content:
        return Refusal("tools", "the format holds a call or words in one turn, not both")
    call = calls[0]["function"]
    value = {"name": call["name"], "arguments": call.get("arguments", {})}
    return {"from": "function_call", "value": orjson.dumps(value).decode()}
