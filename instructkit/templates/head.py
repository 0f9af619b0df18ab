"""The head of a template file, taken off and read: every fault of it, each at its line.

---                      line 1
summary: …               YAML, checked key by key
inputs: [text, title]
---
{% block user %}…        the body; line numbers of its faults are those of the file
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args, get_type_hints

import msgspec
import yaml

from instructkit.errors import Fault, did_you_mean
from instructkit.templates.frontcheck import check_front
from instructkit.templates.frontmatter import (
    AnswerFrom,
    Case,
    ExpectedCall,
    ExpectedTurn,
    FrontMatter,
    Input,
    InputType,
    LintRule,
    Metric,
    Text,
    Weight,
)
from instructkit.templates.phrasings import Wording
from instructkit.templates.positions import Path, Positions, Read, read_yaml

NAMES = {"allow": LintRule, "answer": AnswerFrom, "inputs": InputType, "metrics": Metric}
"""What the names under a key are chosen from."""
OF_MAPPINGS: dict[str, Any] = {"inputs": Input | None, "phrasings": Text, "weights": Weight}
FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass
class Head:
    """A template file taken apart. `front` is None when its faults leave nothing to go on with."""

    front: FrontMatter | None
    body: str
    """As many empty lines as the front matter has lines, then the rest: its line numbers are the file's."""
    positions: Positions = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    wordings: tuple[Wording, ...] = ()

    def place(self, *path: str | int) -> tuple[int, int]:
        """Line and column of a key or item of the front matter, or of the nearest above it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (2, 1))


@lru_cache(maxsize=512)
def read_head(source: str, file: str) -> Head:
    """Take a template file apart and check its front matter, all faults at once. Not to be changed by who asks for it:
    reading YAML is most of the time that loading a template takes, so it is done once.
    """
    fences = list(FENCE.finditer(source))[:2]
    if len(fences) < 2 or fences[0].start() != 0:
        found = "has no second '---' line" if fences and fences[0].start() == 0 else "does not start with a '---' line"
        return Head(
            None, source, faults=[Fault(file, 1, 1, f"the file {found}; front matter stands between two of them")]
        )
    inner, body = source[fences[0].end() + 1 : fences[1].start()], source[fences[1].end() :]
    padded = "\n" * source.count("\n", 0, fences[1].end()) + body
    try:
        read = read_yaml(inner, file, first_line=2, as_text=_is_text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 2, mark.column + 1) if mark else (2, 1)
        return Head(None, padded, faults=[Fault(file, line, column, f"front matter is not YAML: {error.problem}")])
    except RecursionError:
        return Head(None, padded, faults=[Fault(file, 2, 1, "front matter is nested too deeply to be read")])
    head = Head(None, padded, read.positions, read.faults)
    if not isinstance(read.value, dict):
        head.faults.append(Fault(file, 2, 1, "front matter must be keys and values"))
        return head

    def fault(path: Path, message: str) -> None:
        head.faults.append(Fault(file, *head.place(*path), message))

    before = len(head.faults)
    _check_keys(read.value, fault)
    if len(head.faults) == before:
        head.front = msgspec.convert(read.value, FrontMatter)
        check_front(head.front, fault)
        head.wordings = _wordings(head.front, read)
    return head


def _wordings(front: FrontMatter, read: Read) -> tuple[Wording, ...]:
    steps = list(front.phrasings) if isinstance(front.phrasings, dict) else range(len(front.phrasings))
    lines = [read.text_lines[("phrasings", step)] for step in steps]
    return tuple(Wording(name, text, *line) for (name, text), line in zip(front.wordings().items(), lines, strict=True))


def _is_text(path: Path) -> bool:
    """Whether a scalar there is text as written: `license: 1.0` and `content: 42` mean characters, not numbers."""
    if path[0] == "tests":
        if path[2:3] == ("expect",):
            return path[4:5] != ("weight",) and (path[4:5] != ("tool_calls",) or path[6:] == ("name",))
        return path[-1] in ("expect_drop", "name", "phrasing", "options") and len(path) == 3
    if path[0] in ("tools", "weights"):
        return False
    return path[0] != "inputs" or len(path) == 2 or path[-1] == "description"


def _check_keys(data: dict[str, Any], fault: Any) -> None:
    hints = get_type_hints(FrontMatter, include_extras=True)
    required = {f.name for f in msgspec.structs.fields(FrontMatter) if f.required}
    for key in data:
        if key not in hints:
            fault((key,), f"unknown key '{key}'{did_you_mean(key, hints)}")
    for key in sorted(required - data.keys()):
        fault((), f"the key '{key}' is missing")
    for key in hints.keys() & data.keys():
        pieces: list[tuple[Path, Any, Any]]
        if key in OF_MAPPINGS and isinstance(data[key], dict):  # msgspec does not say which value of a mapping it is
            pieces = [((key, name), value, OF_MAPPINGS[key]) for name, value in data[key].items()]
        elif key == "tests" and isinstance(data[key], list):
            pieces = [((key, i), value, Case) for i, value in enumerate(data[key])]
        else:
            pieces = [((key,), data[key], hints[key])]
        for path, value, kind in pieces:
            _convert(path, value, kind, fault)


def _convert(path: Path, value: Any, kind: Any, fault: Any) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        steps = re.findall(r"\[(\d+)\]|\.([A-Za-z_]\w*)", where)
        path = (*path, *(int(index) if index else name for index, name in steps))
        unknown = re.search(r"unknown field `(.*)`", message)
        if unknown:
            known = _struct_at(path).__struct_fields__
            fault((*path, unknown[1]), f"unknown key '{unknown[1]}'{did_you_mean(unknown[1], known)}")
        else:
            shown = ".".join(map(str, path))
            value = re.search(r"enum value '(.*)'", message)
            names = get_args(NAMES.get(str(path[0])))
            if value and names:
                hint = f"; there are: {', '.join(names)}{did_you_mean(value[1], names)}"
                fault(path, f"{shown}: '{value[1]}' is none of the known names{hint}")
            else:
                fault(path, f"{shown}: {message[:1].lower()}{message[1:].replace('`', chr(39))}")


def _struct_at(path: Path) -> type[msgspec.Struct]:
    if path[0] == "inputs":
        return Input
    if path[2:3] != ("expect",):
        return Case
    return ExpectedCall if "tool_calls" in path else ExpectedTurn
