"""Values as YAML that a person would write: plain where plain is safe, quoted where not, texts of lines as blocks.

What is written here is read by `templates.positions` and by the recipes' reader alike as the same value.
"""

from __future__ import annotations

import json
import re
from typing import Any

PLAIN = re.compile(r"[^\W\d_][\w ./*@%+()$€£-]*(?<! )")
WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
"""Words that some YAML reader takes for no text."""
LINE = 100
"""Characters up to which a text stands on one line."""
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufffe\uffff]")
"""What is written as an escape, as it cannot be seen or YAML does not allow it."""


def scalar(value: Any) -> str:
    """A text, number, true, false or null on one line."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def flow(value: Any) -> str:
    """Any JSON value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def entry(key: str, value: Any, indent: int = 0) -> list[str]:
    """`key: value` as lines; a text of several lines becomes a block."""
    head = " " * indent + scalar(key) + ":"
    if isinstance(value, str) and _is_block(value):
        pad = " " * (indent + 2)
        return [f"{head} |-", *(pad + line if line else "" for line in value.split("\n"))]
    return [f"{head} {flow(value)}"]


def _is_block(text: str) -> bool:
    """Whether a text can stand as a block: it has lines, and begins and ends with what can be seen."""
    if "\n" not in text or text != text.strip() or text.startswith("#"):
        return False
    return not UNSEEN.search(text.replace("\n", "")) and all(line == line.rstrip() for line in text.split("\n"))
