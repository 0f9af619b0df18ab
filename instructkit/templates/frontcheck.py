"""What the keys of a front matter must be beside their types: names that exist, texts that differ."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable

from instructkit.errors import did_you_mean
from instructkit.templates.frontmatter import FrontMatter, fits
from instructkit.templates.options import FORMATS
from instructkit.templates.positions import Path
from instructkit.templates.tools import read_tools

PHRASING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
"""Stands in ids and variants, so without their separators."""
RESERVED = frozenset(
    {"loop", "self", "super", "caller", "varargs", "kwargs", "true", "false", "none", "not", "and", "or"}
)
MAX_PHRASINGS = 100

Report = Callable[[Path, str], None]
"""Takes the path of a key or item, and a message."""


def check_front(front: FrontMatter, fault: Report) -> None:
    """Report every fault that the front matter has by itself; the body is checked against it elsewhere."""
    _check_inputs(front, fault)
    _check_targets(front, fault)
    _check_choices(front, fault)
    _check_tools(front, fault)
    _check_phrasings(front, fault)
    _check_cases(front, fault)


def is_name(name: str) -> bool:
    """Whether an input may be called that, reserved words apart: an identifier of any script, as Python reads it.

    Python takes names in their NFKC form, so a full-width letter would be another name than the one written.
    """
    return name.isidentifier() and not name.startswith("_") and unicodedata.normalize("NFKC", name) == name


def likely_name(column: str) -> str:
    """`Care Notes` → `care_notes`: what an input may be called that holds such a column."""
    words = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", column).lower()).strip("_")
    name = unicodedata.normalize("NFKC", words)  # lower case may come decomposed
    if name in RESERVED:
        return f"{name}_field"
    if not name:
        return "column"
    return name if is_name(name) else f"column_{name}" if is_name(f"column_{name}") else "column"


def _check_inputs(front: FrontMatter, fault: Report) -> None:
    names = list(front.inputs)
    taken = {"phrasing", "phrasing_name"} if front.phrasings else set()
    if front.choices is not None and front.choices != "choices":
        taken.add("choices")
    if front.tools is not None:
        taken.add("tool_call")
    for i, name in enumerate(names):
        path: Path = ("inputs", name if isinstance(front.inputs, dict) else i)
        if not is_name(name):
            fault(path, f"input '{name}' is not a variable name: {_why_no_name(name)}; {_way_out(name)}")
        elif name.lower() in RESERVED:
            fault(path, f"input '{name}' is a word of Jinja's own; {_way_out(name)}")
        elif name in taken:
            key = {"choices": "choices", "tool_call": "tools"}.get(name, "phrasings")
            message = f"input '{name}': with the key '{key}', '{name}' is a variable of its own"
            fault(path, f"{message}; {_way_out(name)}")
        if name in names[:i]:
            fault(path, f"input '{name}' is declared twice")
    for name, declared in front.declared().items():
        if declared.type and declared.default is not None and not fits(declared.default, declared.type):
            fault(("inputs", name, "default"), f"input '{name}': the default is not of type {declared.type}")


def _why_no_name(name: str) -> str:
    if name.isidentifier() and not name.startswith("_"):
        return f"it is read as '{unicodedata.normalize('NFKC', name)}', its NFKC form"
    return "a letter of any script, then letters, digits and underscores"


def _way_out(name: str) -> str:
    """How data with such a column is read all the same."""
    free = likely_name(name)
    free = free if free != name else f"{name}_field"
    column = json.dumps(name, ensure_ascii=False)
    return f"call it {free}, say, and name the column in the render step: 'columns: {{{free}: {column}}}'"


def _check_targets(front: FrontMatter, fault: Report) -> None:
    names = front.declared()
    for i, name in enumerate(front.targets):
        if name not in names:
            fault(("targets", i), f"targets: no input is called '{name}'{did_you_mean(name, names)}")
    if front.targets and front.answer == "model":
        fault(("targets",), "targets: with 'answer: model' no input holds the answer; remove one of the two")
    lists: dict[str, list[str]] = {"targets": front.targets, "metrics": [*front.metrics], "allow": [*front.allow]}
    for key, values in lists.items():
        for name in _twice(values):
            fault((key,), f"{key}: '{name}' stands there twice")


def _check_choices(front: FrontMatter, fault: Report) -> None:
    if isinstance(front.choices, str):
        _check_name("choices", front.choices, "texts", front, fault)
    elif front.choices is not None:
        if len(front.choices) < 2:
            fault(("choices",), f"choices: {len(front.choices)} of them; there must be two to choose from")
        for text in _twice(front.choices):
            fault(("choices",), f"choices: '{text}' stands there twice")


def _check_tools(front: FrontMatter, fault: Report) -> None:
    if isinstance(front.tools, str):
        _check_name("tools", front.tools, "definitions", front, fault)
    elif front.tools is not None:
        for path, message in read_tools(front.tools)[1]:
            fault(("tools", *path), f"tools: {message}")


def _check_name(key: str, name: str, of: str, front: FrontMatter, fault: Report) -> None:
    names = front.declared()
    if name not in names:
        message = f"{key}: no input is called '{name}'{did_you_mean(name, names)}"
        fault((key,), f"{message}; write the name of an input that holds a list, or a list of {of}")


def _check_phrasings(front: FrontMatter, fault: Report) -> None:
    wordings = front.wordings()
    if len(wordings) > MAX_PHRASINGS:
        fault(("phrasings",), f"phrasings: {len(wordings)} of them; at most {MAX_PHRASINGS}")
    for name in wordings:
        if not PHRASING_NAME.match(name):
            message = f"phrasing '{name}': a name is of letters, digits, '_' and '-', and begins with no sign"
            fault(("phrasings", name), message)
    for text in _twice([text.strip() for text in wordings.values()]):
        fault(("phrasings",), f"phrasings: {text[:60]!r} stands there twice")


def _check_cases(front: FrontMatter, fault: Report) -> None:
    names = front.declared()
    listed = ", ".join(sorted(names))
    for i, case in enumerate(front.tests):
        if (case.expect is None) == (case.expect_drop is None):
            fault(("tests", i), "a test has either 'expect' or 'expect_drop'")
        for name in case.given:
            if name not in names:
                message = f"test gives '{name}', which is not in inputs [{listed}]{did_you_mean(name, names)}"
                fault(("tests", i, "given", name), message)
        for key, value, known in (
            ("phrasing", case.phrasing, list(front.wordings())),
            ("options", case.options, list(FORMATS)),
        ):
            if value is not None and value not in known:
                message = f"test names {key} '{value}'; there are: {', '.join(known) or 'none'}"
                fault(("tests", i, key), message + did_you_mean(value, known))


def _twice(texts: list[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if count > 1]
