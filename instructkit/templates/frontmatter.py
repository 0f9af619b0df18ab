"""The head of a template file: what it may say, and every fault of what it does say.

---                      line 1
summary: …               YAML, checked key by key
inputs: [text, title]
---
{% block user %}…        the body; line numbers of its faults are those of the file
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
import yaml

from instructkit.errors import Fault, did_you_mean
from instructkit.templates.positions import Path, Positions, read_yaml

FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
RESERVED = frozenset(
    {"loop", "self", "super", "caller", "varargs", "kwargs", "true", "false", "none", "not", "and", "or"}
)

Text = Annotated[str, msgspec.Meta(min_length=1)]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
InputType = Literal["string", "integer", "number", "boolean", "list", "object"]

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value that a template reads from a document."""

    type: InputType | None = None
    """What the value must be; a row with another type is dropped. None: anything."""
    required: bool = True
    """False: the variable is none where the document lacks it, and the row is rendered all the same."""
    default: Any = None
    """Stands in where the document lacks the value; an input with a default is not required."""
    description: str | None = None
    """What the value is, for readers."""

    @property
    def optional(self) -> bool:
        """Whether a row without the value is rendered."""
        return not self.required or self.default is not None


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One expected message."""

    role: str
    content: str


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of the template: what it makes of given inputs."""

    given: dict[str, Any]
    """The inputs of the row."""
    expect: list[Turn] | None = None
    """The messages, exactly; a line break at the end of a content, which YAML's `|` puts there, does not count."""
    expect_drop: Text | None = None
    """The rule by which the row is dropped, instead of messages."""
    name: str | None = None
    """What the test promises."""


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a template's front matter."""

    summary: Text
    """One sentence: what the template asks for."""
    task: Text
    """The kind of task, recorded on every example: summarization, translation, code_explanation."""
    inputs: list[str] | dict[str, Input | None]
    """The variables that the blocks use: a list of required names, or names with their conditions.

    `text`, `source`, `language` and `id` are the document's; all others come from its fields.
    """
    languages: list[Language] = []
    """Languages of the template's own words, as ISO 639-1 codes."""
    license: Text | None = None
    """SPDX identifier of the template's own words."""
    source: Text | None = None
    """Where the template's wording comes from."""
    tests: list[Case] = []
    """What the template makes of given inputs; `instructkit templates test` runs them."""

    def declared(self) -> dict[str, Input]:
        """The inputs by name, in declared order, whichever form they were written in."""
        if isinstance(self.inputs, dict):
            return {name: given or Input() for name, given in self.inputs.items()}
        return {name: Input() for name in self.inputs}


def front_matter_schema() -> dict[str, Any]:
    """JSON Schema of the front matter, generated from the structs above."""
    return msgspec.json.schema(FrontMatter)


@dataclass
class Head:
    """A template file taken apart. `front` is None when its faults leave nothing to go on with."""

    front: FrontMatter | None
    body: str
    """As many empty lines as the front matter has lines, then the rest: its line numbers are the file's."""
    positions: Positions = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_head(source: str, file: str) -> Head:
    """Take a template file apart and check its front matter, all faults at once."""
    fences = list(FENCE.finditer(source))[:2]
    if len(fences) < 2 or fences[0].start() != 0:
        found = "has no second '---' line" if fences and fences[0].start() == 0 else "does not start with a '---' line"
        return Head(
            None, source, faults=[Fault(file, 1, 1, f"the file {found}; front matter stands between two of them")]
        )
    inner, body = source[fences[0].end() + 1 : fences[1].start()], source[fences[1].end() :]
    padded = "\n" * source.count("\n", 0, fences[1].end()) + body
    try:
        data, positions, faults = read_yaml(inner, file, first_line=2, as_text=_is_text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 2, mark.column + 1) if mark else (2, 1)
        return Head(None, padded, faults=[Fault(file, line, column, f"front matter is not YAML: {error.problem}")])
    if not isinstance(data, dict):
        return Head(None, padded, positions, [*faults, Fault(file, 2, 1, "front matter must be keys and values")])
    front = _check(data, positions, file, faults)
    return Head(front, padded, positions, faults)


def _is_text(path: Path) -> bool:
    """Whether a scalar there is text as written: `license: 1.0` and `content: 42` mean characters, not numbers."""
    if path[0] == "tests":
        return "expect" in path[2:3] or path[-1] in ("expect_drop", "name")
    return path[0] != "inputs" or len(path) == 2 or path[-1] == "description"


def _check(data: dict[str, Any], positions: Positions, file: str, faults: list[Fault]) -> FrontMatter | None:
    hints = get_type_hints(FrontMatter, include_extras=True)
    required = {f.name for f in msgspec.structs.fields(FrontMatter) if f.required}
    before = len(faults)

    def fault(path: Path, message: str) -> None:
        while path and path not in positions:
            path = path[:-1]
        faults.append(Fault(file, *positions.get(path, (2, 1)), message))

    for key in data:
        if key not in hints:
            fault((key,), f"unknown key '{key}'{did_you_mean(key, hints)}")
    for key in sorted(required - data.keys()):
        fault((), f"the key '{key}' is missing")
    for key in hints.keys() & data.keys():
        pieces: list[tuple[Path, Any, Any]]
        if key == "inputs" and isinstance(data[key], dict):
            pieces = [((key, name), value, Input | None) for name, value in data[key].items()]
        elif key == "tests" and isinstance(data[key], list):
            pieces = [((key, i), value, Case) for i, value in enumerate(data[key])]
        else:
            pieces = [((key,), data[key], hints[key])]
        for path, value, kind in pieces:
            _convert(path, value, kind, fault)
    if len(faults) > before:
        return None
    front = msgspec.convert(data, FrontMatter)
    _check_inputs(front, fault)
    _check_cases(front, fault)
    return front


def _convert(path: Path, value: Any, kind: Any, fault: Any) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        steps = re.findall(r"\[(\d+)\]|\.([A-Za-z_]\w*)", where)
        path = (*path, *(int(index) if index else name for index, name in steps))
        unknown = re.search(r"unknown field `(.*)`", message)
        if unknown:
            known = {"inputs": Input, "tests": Turn if "expect" in path[2:3] else Case}[str(path[0])].__struct_fields__
            fault((*path, unknown[1]), f"unknown key '{unknown[1]}'{did_you_mean(unknown[1], known)}")
        else:
            shown = ".".join(map(str, path))
            fault(path, f"{shown}: {message[:1].lower()}{message[1:].replace('`', chr(39))}")


def _check_inputs(front: FrontMatter, fault: Any) -> None:
    names = list(front.inputs)
    for i, name in enumerate(names):
        path: Path = ("inputs", name if isinstance(front.inputs, dict) else i)
        if not NAME.match(name):
            fault(path, f"input '{name}' is not a variable name: a letter, then letters, digits and underscores")
        elif name.lower() in RESERVED:
            fault(path, f"input '{name}' is a word of Jinja's own; give the field another name at ingest")
        if name in names[:i]:
            fault(path, f"input '{name}' is declared twice")
    for name, declared in front.declared().items():
        if declared.type and declared.default is not None and not fits(declared.default, declared.type):
            fault(("inputs", name, "default"), f"input '{name}': the default is not of type {declared.type}")


def _check_cases(front: FrontMatter, fault: Any) -> None:
    names = front.declared()
    listed = ", ".join(sorted(names))
    for i, case in enumerate(front.tests):
        if (case.expect is None) == (case.expect_drop is None):
            fault(("tests", i), "a test has either 'expect' or 'expect_drop'")
        for name in case.given:
            if name not in names:
                fault(
                    ("tests", i, "given", name),
                    f"test gives '{name}', which is not in inputs [{listed}]{did_you_mean(name, names)}",
                )


def fits(value: Any, kind: InputType) -> bool:
    """Whether a value is of a declared type; true and false are no numbers."""
    return isinstance(value, PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
