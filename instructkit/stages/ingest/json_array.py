"""The records of a JSON file, one at a time: an array at the top, an array below named keys, or one object.

    [{...}, {...}]                                     records: null
    {"version": 1, "data": {"items": [{...}, ...]}}    records: data.items
    {"data": [{"title": T, "paragraphs": [{...}]}]}    records: data.paragraphs    each paragraph carries its `title`
    {...}                                              records: null               the file is one record

Memory is bounded by the largest element of the array. Where an element begins and ends is found by Python's parser on
a growing buffer; what it holds is then judged as a line of JSON would be, so both formats name faults alike.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from instructkit.errors import InputError, did_you_mean
from instructkit.hashing import canonical_json
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.blocks import DamagedError, line_encoding, text_blocks
from instructkit.stages.ingest.documents import Bad, Record, excerpt
from instructkit.stages.ingest.json_line import NotRecordError, parse_object

SPACE = re.compile(r"[ \t\r\n]*")
NEAR_END = 16
"""An escape or a literal (`\\ud83d\\ude00`, `-Infinity`) cut by the buffer's end fails this close to it, or closer."""
KEPT_CHARACTERS = 1 << 20


class _BrokenError(Exception):
    """The text is not JSON from here on."""


class _Cursor:
    """A place in the file's text, read as it is needed."""

    def __init__(self, file: PartFile, encoding: str, max_record_bytes: int) -> None:
        self.file, self.max = file, max_record_bytes
        self.blocks = text_blocks(file, encoding)
        # Bytes that are no text are carried through as surrogates, and found in the record that holds them.
        self.decoder = codecs.getincrementaldecoder(line_encoding(encoding))("surrogateescape")
        self.buffer, self.at, self.line, self.ended = "", 0, 1, False
        self.scan = json.JSONDecoder().raw_decode

    def more(self, characters: int = 1) -> bool:
        """Reads at least so many characters on; False where the file ends."""
        added, size = list[str](), 0
        while size < characters and not self.ended:
            block = next(self.blocks, None)
            self.ended = block is None
            added.append(self.decoder.decode(block or b"", final=self.ended))
            size += len(added[-1])
        self.buffer += "".join(added)
        return size > 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            self.at = SPACE.match(self.buffer, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> str:
        """The next character, which must be one of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            self.broken(
                f"expected {' or '.join(map(repr, expected))}, found {repr(found) if found else 'the end of the file'}"
            )
        self.at += 1
        return found

    def value(self) -> tuple[Any, str]:
        """The next JSON value, and its text."""
        self.peek()
        if self.at > KEPT_CHARACTERS:
            self.line += self.buffer.count("\n", 0, self.at)
            self.buffer, self.at = self.buffer[self.at :], 0
        while True:
            try:
                value, end = self.scan(self.buffer, self.at)
                if end < len(self.buffer) or not self.more():
                    text = self.buffer[self.at : end]
                    self.at = end
                    return value, text
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.buffer) - NEAR_END
                pending = len(self.buffer) - self.at
                if pending > self.max:
                    raise InputError(
                        f"{self.file.path}: the record that begins at line {self.here()} is longer than "
                        f"max_record_bytes, {self.max:,}; raise it, or check for a text that is never closed"
                    ) from error
                if not cut or not self.more(pending):
                    self.broken(error.msg, error.pos)
            except (RecursionError, ValueError) as error:
                self.broken(f"{error}")

    def here(self, at: int | None = None) -> int:
        """The line of a place in the buffer."""
        return self.line + self.buffer.count("\n", 0, self.at if at is None else at)

    def broken(self, message: str, at: int | None = None) -> None:
        """Raises _BrokenError with line and column."""
        at = self.at if at is None else at
        column = at - self.buffer.rfind("\n", 0, at)
        raise _BrokenError(f"not JSON ({message}, line {self.here(at)}, column {column})")


def json_records(file: PartFile, encoding: str, records: str | None, max_record_bytes: int) -> Iterator[Record | Bad]:
    """The records of a JSON file, in order, `line` being the row counted from 1 (None where the file is one record).

    Raises InputError where the file breaks off or is no JSON within its array (nobody knows where the next record
    begins), has no array under `records`, or is truncated. A file that is one object and broken is a `Bad`.
    """
    cursor, row = _Cursor(file, encoding, max_record_bytes), 0
    try:
        if cursor.peek() == "":
            yield Bad(file, None, "not_json", "an empty file is not JSON")
            return
        steps = records.split(".") if records else []
        if not steps and cursor.peek() != "[":
            yield _only_record(cursor)
            return
        steps = _descend(cursor, steps)
        cursor.take("[")
        while cursor.peek() != "]":
            _, text = cursor.value()
            for item in _judge(file, row + 1, text, steps):
                row += 1
                yield item._replace(line=row)
            if cursor.take(",]") == "]":
                break
        else:
            cursor.take("]")
        if not records and cursor.peek():
            cursor.broken("more after the array's end")
        while cursor.more():  # a truncated gzip shows at its end
            cursor.buffer = ""
    except _BrokenError as error:
        raise InputError(f"{file.path}: {error}, after {row:,} records; mend the file, or cut it there") from error
    except DamagedError as error:
        raise InputError(f"{file.path}: {error} after {row:,} records; fetch it again") from error


def _only_record(cursor: _Cursor) -> Record | Bad:
    try:
        _, text = cursor.value()
        if cursor.peek():
            if cursor.peek() == "{":
                raise InputError(
                    f"{cursor.file.path}: holds several objects one after another, not one array; use ingest.jsonl "
                    "for one object a line"
                )
            cursor.broken("more after the end of the object")
    except _BrokenError as error:
        return Bad(cursor.file, None, "not_json", str(error))
    return next(iter(_judge(cursor.file, None, text, [])))


def _descend(cursor: _Cursor, steps: list[str]) -> list[str]:
    """Moves to the array under the first of `steps`; the steps that lie inside its elements are left."""
    for depth, step in enumerate(steps):
        if cursor.peek() == "[":
            return steps[depth:]
        cursor.take("{")
        known = list[str]()
        while True:
            if cursor.peek() == "}":
                path = ".".join(steps)
                raise InputError(
                    f"{cursor.file.path}: no '{step}' for records: {path}{did_you_mean(step, known)} "
                    f"(keys found there: {', '.join(known) or 'none'})"
                )
            name, _ = cursor.value()
            cursor.take(":")
            if name == step:
                break
            known.append(str(name))
            cursor.value()
            if cursor.peek() == ",":
                cursor.take(",")
    if cursor.peek() != "[":
        raise InputError(f"{cursor.file.path}: records: {'.'.join(steps)} is no array, line {cursor.here()}")
    return []


def _judge(file: PartFile, row: int | None, text: str, steps: list[str]) -> Iterator[Record | Bad]:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) - 0xDC00
        detail = f"byte 0x{byte:02x}, character {error.start + 1} of the record, is not of the encoding that is set"
        yield Bad(file, row, "undecodable", detail, excerpt(text))
        return
    try:
        value = parse_object(data)
    except NotRecordError as error:
        yield Bad(file, row, error.rule, str(error), excerpt(text))
        return
    for inner in _flat(value, steps):
        if not isinstance(inner, dict):
            yield Bad(
                file, row, "not_an_object", f"no object under {'.'.join(steps)} in this element", excerpt(str(inner))
            )
            continue
        yield Record(file, row, content_of(inner, data), inner)


def content_of(value: Any, otherwise: bytes) -> bytes:
    """Canonical JSON of a record, whatever its spacing; `otherwise` for what that cannot hold."""
    try:
        return canonical_json(value).encode()
    except TypeError:
        return otherwise


def _flat(value: Any, steps: list[str]) -> Iterator[Any]:
    """The records below an element; each carries what stands beside its array, under names that it does not use."""
    if not steps:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item, steps)
    elif isinstance(value, dict) and steps[0] in value:
        beside = {name: other for name, other in value.items() if name != steps[0]}
        below = value[steps[0]]
        for item in below if isinstance(below, list) else [below]:
            for inner in _flat(item, steps[1:]):
                yield {**beside, **inner} if isinstance(inner, dict) else inner
    else:
        yield None
