"""Examples to the lines of a JSONL file: what every such export shares.

A format says which row an example becomes, or that it has no place for something in it. What has no place is never
left out in silence: the example is dropped with the reason as its rule, or the recipe says `lossy: allow`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import polars as pl

from instructkit.schema import Example, Message, records
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import VERDICT, sort_out
from instructkit.text.conversation import LEARNED, trained_weight

Lossy = Literal["drop", "allow"]
Row = dict[str, Any]

LINES = pl.Schema({"id": pl.String(), "split": pl.String(), "line": pl.String()})
"""What a JSONL export keeps; `line` is one JSON object without a line break."""

ALLOW = "; `lossy: allow` writes such examples without it"


@dataclass(frozen=True)
class Refusal:
    """Why a format cannot hold an example."""

    rule: str
    """tools, turns, roles, weights, spans, reasoning, names, candidates or media."""
    detail: str
    value: str | None = None


def export_lines(shard: pl.DataFrame, row_of: Callable[[Example], Row | Refusal], extras: bool) -> Outcome:
    """Columns of `LINES`, in the shard's order, and a drop for each example that `row_of` refuses.

    With `extras` each row begins with the example's id, and names its weight and repeats where they are not 1.
    """
    lines: list[str] = []
    reasons: list[Row] = []
    for example in records(Example, shard):
        row = row_of(example)
        if isinstance(row, Refusal):
            reasons.append({"rule": row.rule, "value": row.value, "detail": row.detail})
            continue
        reasons.append({})
        if extras:
            row = {"id": example.id, **row, **_weights(example)}
        lines.append(orjson.dumps(row).decode())
    kept, dropped = sort_out(shard, pl.DataFrame(reasons, schema=VERDICT, orient="row"))
    return Outcome(kept.select("id", "split", line=pl.Series(lines, dtype=pl.String)), dropped)


def _weights(example: Example) -> Row:
    numbers = {"weight": example.weight, "repeats": example.repeats}
    return {name: number for name, number in numbers.items() if number != 1}


def first_loss(example: Example, *, extras: bool, names: bool, reasoning: bool) -> Refusal | None:
    """The first thing in the example that the format has no place for; None when it holds all.

    Looks at what no JSONL format of ours holds (candidates, media, spans, weights without `extras`), at names and
    reasoning where the format has none, and at message weights other than 0 and 1.
    """
    turns = example.messages
    if example.candidates:
        return Refusal("candidates", "the format holds one ending" + ALLOW, str(len(example.candidates)))
    if any(turn.media for turn in turns):
        return Refusal("media", "the format holds text only" + ALLOW)
    if any(turn.spans for turn in turns):
        return Refusal("spans", "the format cannot weigh parts of a message" + ALLOW)
    if not extras and _weights(example):
        return Refusal("weights", "weight and repeats are `extras`" + ALLOW, str(_weights(example)))
    if not reasoning and any(turn.reasoning for turn in turns):
        return Refusal("reasoning", "the format has no place for reasoning" + ALLOW)
    if not names and any(turn.name and turn.role != "tool" for turn in turns):
        return Refusal("names", "the format has no place for the names of speakers" + ALLOW)
    return None


def untold_weight(turns: list[Message], told: Callable[[Message], bool]) -> Refusal | None:
    """A refusal for the first turn that `told` says would be trained with another weight than its own."""
    for number, turn in enumerate(turns, start=1):
        if not told(turn):
            place = f"message {number} ({turn.role}) has weight {trained_weight(turn):g}"
            return Refusal("weights", f"{place}, which the format cannot say{ALLOW}", f"{trained_weight(turn):g}")
    return None


PLAIN_TEXT = Refusal(
    "text", "a plain text is no conversation; export.trl, export.parquet and export.huggingface hold it"
)
"""Why a format of conversations cannot hold a plain text."""


def default_weight(turn: Message) -> bool:
    """True where the turn is trained as every format takes for granted: only what the assistant says, or a text."""
    return trained_weight(turn) == (1.0 if turn.role in LEARNED else 0.0)


def chat_message(turn: Message, *, arguments_as_text: bool) -> Row:
    """A turn as chat templates and the OpenAI format take it: role, content and the tool keys that it has."""
    row: Row = {"role": turn.role}
    if turn.name is not None:
        row["name"] = turn.name
    calls = tool_calls(turn)
    if turn.content or not calls:
        row["content"] = turn.content
    if calls and arguments_as_text:
        calls = [{**call, "function": {**call["function"], "arguments": _as_text(call)}} for call in calls]
    if calls:
        row["tool_calls"] = calls
    if turn.tool_call_id is not None:
        row["tool_call_id"] = turn.tool_call_id
    return row


def tool_calls(turn: Message) -> list[Row]:
    """The turn's tool calls, [] when it has none."""
    return orjson.loads(turn.tool_calls) if turn.tool_calls else []


def tools_of(example: Example) -> list[Row]:
    """The example's function definitions, [] when it has none."""
    return orjson.loads(example.tools) if example.tools else []


def _as_text(call: Row) -> str:
    arguments = call["function"].get("arguments", {})
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
