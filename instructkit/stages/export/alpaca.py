"""`export.alpaca`: rows of instruction, input and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.schema import Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.export.lines import (
    PLAIN_TEXT,
    Lossy,
    Refusal,
    Row,
    default_weight,
    export_lines,
    first_loss,
    untold_weight,
)
from instructkit.text.conversation import is_plain_text


@dataclass(frozen=True, kw_only=True)
class ExportAlpaca:
    """Write JSONL rows of `instruction`, `input` and `output`, and `system` where there is one.

    The instruction is the user's whole message and the input stays empty: where one ends and the other begins is no
    longer known. `system` and `history` are LLaMA-Factory's additions to the format. Examples with tools have no place.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("orjson",)
    file_format: ClassVar[Literal["jsonl", "parquet"]] = "jsonl"
    file_name: ClassVar[str] = "{split}.jsonl"
    unsplit: ClassVar[str] = "all"

    history: bool = False
    """Write earlier turns as `history`, a list of [user, assistant] pairs. Off, an example of several turns is
    dropped."""
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
        system, turns = "", list(example.messages)
        if turns and turns[0].role == "system":
            system = turns.pop(0).content
        if example.tools or any(turn.tool_calls or turn.role == "tool" for turn in turns):
            return Refusal("tools", "the format has no place for tools")
        roles = [turn.role for turn in turns]
        if not roles or len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
            return Refusal("roles", "the format holds pairs of user and assistant", " ".join(roles))
        if len(turns) > 2 and not self.history:
            return Refusal("turns", "the format holds one turn; set `history: true` for more", str(len(turns) // 2))
        loss = first_loss(example, extras=self.extras, names=False, reasoning=False)
        loss = loss or untold_weight(example.messages, default_weight)
        if loss and self.lossy == "drop":
            return loss
        row: Row = {"instruction": turns[-2].content, "input": "", "output": turns[-1].content}
        if system:
            row["system"] = system
        if len(turns) > 2:
            earlier = [turn.content for turn in turns[:-2]]
            row["history"] = [[asked, answered] for asked, answered in zip(earlier[::2], earlier[1::2], strict=True)]
        return row
