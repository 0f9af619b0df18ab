"""One JSON object from text, exactly: what a fast parser would let pass in silence is found and named.

orjson takes the last of two equal keys, and rounds whole numbers beyond 64 bits to floats, without a word. Both are
noticed by counting: as many keys in the object as `":` in its text, and no float of that size. Where the counts
disagree (which escaped quotes in texts can cause) Python's own parser decides, slowly.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

LOOSE_COLON = re.compile(rb'"[ \t\r\n]+:')
SIXTY_FOUR_BITS = float(1 << 63)


class NotRecordError(Exception):
    """The text is no JSON object; `rule` names the kind of fault, the message explains it."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        super().__init__(detail)


def parse_object(data: bytes, encoding: str = "utf-8") -> dict[str, Any]:
    """The JSON object that `data` holds; whole numbers of any size, floats as doubles.

    Raises NotRecordError with rule `nul_character`, `undecodable`, `not_json`, `not_a_number`, `lone_surrogate`,
    `duplicate_json_key` or `not_an_object`.
    """
    if encoding != "utf-8":
        data = decode(data, encoding).encode()
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = parse_slowly(data)
        check_text(value)
    else:
        keys, huge = _survey(value)
        if huge or data.count(b'":') != keys or LOOSE_COLON.search(data):
            value = parse_slowly(data)
    if not isinstance(value, dict):
        kind = {list: "an array", str: "a string", type(None): "null"}.get(type(value), "a number or true/false")
        raise NotRecordError("not_an_object", f"JSON, but {kind} where a record is an object {{...}}")
    return value


def decode(data: bytes, encoding: str) -> str:
    """The bytes as text. Raises NotRecordError(`undecodable`) with the byte and its offset."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotRecordError(
            "undecodable", f"byte 0x{data[error.start]:02x} at byte {error.start + 1} of the line is not {encoding}"
        ) from error


def _survey(value: Any) -> tuple[int, bool]:
    """(keys of all objects in the value, whether a float may be a whole number beyond 64 bits)."""
    keys, huge, stack = 0, False, [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is dict:
            keys += len(item)
            stack.extend(v for v in item.values() if type(v) is not str)
        elif kind is list:
            stack.extend(v for v in item if type(v) is not str)
        elif kind is float and abs(item) >= SIXTY_FOUR_BITS:
            huge = True
    return keys, huge


def parse_slowly(data: bytes) -> Any:
    """The value of JSON text by Python's parser, which can be asked. Raises NotRecordError."""
    text = decode(data, "utf-8")
    if "\0" in text:
        raise NotRecordError("nul_character", f"a NUL character at byte {data.index(0) + 1} of the line")
    try:
        return json.loads(text, object_pairs_hook=unique_object, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise NotRecordError("not_json", f"not JSON ({error.msg}, column {error.pos + 1})") from error
    except RecursionError as error:
        raise NotRecordError("not_json", "nested too deeply to be read") from error
    except ValueError as error:  # more digits than sys.get_int_max_str_digits()
        raise NotRecordError("not_json", f"not readable ({error})") from error


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises NotRecordError for a key that stands in it twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotRecordError("duplicate_json_key", f"the key {json.dumps(twice)} stands twice in one object")
    return result


def no_constant(name: str) -> Any:
    """Raises NotRecordError: NaN and Infinity are not JSON, and nothing downstream can hold them."""
    raise NotRecordError("not_a_number", f"{name} is not JSON; write null, or a text")


def check_text(value: Any) -> None:
    """Raises NotRecordError(`lone_surrogate`) for text that is not Unicode, anywhere in the value."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotRecordError(
            "lone_surrogate", "a \\ud800 to \\udfff escape without its other half, which is not Unicode text"
        ) from error
