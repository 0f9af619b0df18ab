"""Rows of any dataset as one kind of table: who says what, what asks and what answers, and what is known beside it.

alpaca sharegpt openai prompt_completion    conversations, as `ingest.chat` reads them
instructkit                                 examples of ours, in Parquet, with all that they know about themselves
pair                                        a question and an answer in columns of usual names (`ingest.usual`)
text                                        one plain text, as a message of role `text`
unknown                                     neither; `fault` says so

A row that is no conversation is a row all the same, with its fault, and with the messages that could be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import polars as pl

from instructkit.schema import Example, Message, columns
from instructkit.stages.ingest.columns import MISSING, pick
from instructkit.stages.ingest.conversations import NotConversationError, as_said, check_order, detect
from instructkit.stages.ingest.dataset import BadRow, Dataset, RawRow
from instructkit.stages.ingest.documents import fault_of_fields
from instructkit.stages.ingest.usual import empty_answer, plain_text, usual_columns, usual_text
from instructkit.text.view import BETWEEN

ROWS = pl.Schema(
    {
        "row": pl.UInt32(),
        "file": pl.String(),
        "line": pl.Int64(),
        "split": pl.String(),
        "id": pl.String(),
        "group": pl.String(),
        "source": pl.String(),
        "template": pl.String(),
        "template_hash": pl.String(),
        "task": pl.String(),
        "language": pl.String(),
        "document_ids": pl.List(pl.String()),
        "exemplar_ids": pl.List(pl.String()),
        "format": pl.String(),
        "messages": columns(Example)["messages"],
        "tools": pl.String(),
        "prompt": pl.String(),
        "response": pl.String(),
        "fault": pl.String(),
        "detail": pl.String(),
    }
)
"""`row`: number through all files, from 0. `line`: of the file, or row of a table, from 1; null where a file is one
row. `id` to `exemplar_ids`: what the row says about itself; null in rows from elsewhere, but for `id` and those of
`SAID` where they have such columns. `messages`: empty where the row cannot be read as a conversation. `prompt` and
`response`: as `text.view` has them, "" where there is none. `fault`: the rule that the row breaks (those of
`ingest.chat` and `ingest.jsonl`), null for a good one; `detail`: its words."""

CHUNK_ROWS = 4_096
CHUNK_CHARACTERS = 16 << 20
"""A frame is closed at either."""
SAID = ("source", "task", "language", "template", "group")
"""Columns that a row from elsewhere may have too, and that mean the same there."""
OURS = ("content_hash", "document_ids", "exemplar_ids", "messages")

Row = dict[str, Any]


def read(dataset: Dataset, given: Mapping[str, str] | None = None, first: int = 0) -> Iterator[pl.DataFrame]:
    """The dataset's rows in frames with the columns of `ROWS`, in order, in bounded memory; unreadable ones as well.

    `given`: the columns that hold `prompt`, `answer` and `passage` (dotted paths too), where they are not to be found
    by their format or usual names. `first`: number of the first row. Raises InputError for a file that is damaged.
    """
    held: list[Row] = []
    size, number = 0, first
    for raw in dataset.rows():
        row = _bad(raw) if isinstance(raw, BadRow) else _row(raw, given)
        row |= {"row": number, "file": raw.file.name, "line": raw.line, "split": raw.split}
        held.append(row)
        number += 1
        size += len(row["prompt"]) + len(row["response"])
        if len(held) >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield _frame(held)
            held, size = [], 0
    if held:
        yield _frame(held)


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def _bad(raw: BadRow) -> Row:
    return {"format": "unknown", "messages": [], "prompt": "", "response": "", "fault": raw.rule, "detail": raw.detail}


def _row(raw: RawRow, given: Mapping[str, str] | None) -> Row:
    value = raw.value
    row: Row = {name: value[name] for name in SAID if isinstance(value.get(name), str)}
    identity = value.get("id")
    if isinstance(identity, str | int) and not isinstance(identity, bool):
        row["id"] = str(identity)
    fault, detail, messages = None, None, list[Message]()
    try:
        if given:
            row["format"], messages = "pair", _named(value, given)
        elif all(name in value for name in OURS):
            row |= _ours(value)
            messages = msgspec.convert(value["messages"], list[Message])
        elif (known := detect(value)) is not None:
            row["format"] = known
            said = as_said(value, known)
            row["tools"], messages = said.tools, said.messages
        else:
            row["format"], messages = _by_usual_names(value)
        if row["format"] != "text":
            check_order(messages)
    except NotConversationError as error:
        fault, detail = error.rule, str(error)
    except TypeError as error:  # tools or their calls, which are held as canonical JSON
        fault, _, detail = fault_of_fields(error)
    except msgspec.ValidationError as error:
        fault, detail = "bad_turn", f"messages are not as instructkit writes them ({error})"
    prompt = BETWEEN.join(m.content for m in messages if m.role != "assistant")
    response = BETWEEN.join(m.content for m in messages if m.role == "assistant")
    spoken = [msgspec.structs.asdict(message) for message in messages]
    row |= {"messages": spoken, "prompt": prompt, "response": response, "fault": fault, "detail": detail}
    row.setdefault("format", "unknown")
    return _clean(row)


def _ours(value: Row) -> Row:
    """What an example of ours knows about itself."""
    names = ("group", "source", "template", "template_hash", "task", "language", "tools")
    said = {name: value.get(name) for name in (*names, "document_ids", "exemplar_ids")}
    return {"format": "instructkit", **said}


def _named(value: Row, given: Mapping[str, str]) -> list[Message]:
    """A conversation of the columns that were named."""
    texts = {what: pick(value, path) for what, path in given.items()}
    missing = [given[what] for what, text in texts.items() if text is MISSING]
    if missing:
        raise NotConversationError("missing_column", f"the row has no '{missing[0]}'")
    return _pair(*(plain_text(texts.get(what)) for what in ("passage", "prompt", "answer")))


def _by_usual_names(value: Row) -> tuple[str, list[Message]]:
    usual = usual_columns(value)
    if usual.prompt is not None and usual.answer is not None:
        return "pair", _pair(*(plain_text(value[name]) if name else None for name in (usual[2], usual[0], usual[1])))
    if (text := usual_text(value)) is not None:
        return "text", [Message(role="text", content=value[text])]
    if usual.prompt is not None and empty_answer(value):
        return "pair", _pair(None, plain_text(value[usual.prompt]), "")
    if usual.prompt is not None:  # questions without their answers, as some evaluations are
        return "pair", _pair(None, plain_text(value[usual.prompt]), None)
    found = ", ".join(value) or "no keys"
    raise NotConversationError(
        "unrecognised", f"no conversation of a known format, no columns of usual names and no text; found {found}"
    )


def _pair(passage: str | None, prompt: str | None, answer: str | None) -> list[Message]:
    asked = [text for text in (passage, prompt) if text]
    messages = [Message(role="user", content="\n".join(asked))] if asked else []
    return messages if answer is None else [*messages, Message(role="assistant", content=answer)]


def _clean(row: Row) -> Row:
    """The row with what is no Unicode text spelled out: half a surrogate pair cannot stand in a table."""
    try:
        for text in (row["prompt"], row["response"], row.get("id") or "", row["detail"] or ""):
            text.encode()
    except UnicodeEncodeError:
        plain: Row = msgspec.json.decode(msgspec.json.encode(_spelled(row)))
        return plain
    return row


def _spelled(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if isinstance(value, dict):
        return {name: _spelled(item) for name, item in value.items()}
    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value
