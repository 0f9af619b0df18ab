"""From YAML to typed fields, by the field's type and with the place of every fault.

YAML guesses types from the text: `no` is False, `2e-5` a string, `1.10` is 1.1. Here the field's type decides what a
plain scalar means, so a version stays "1.10", a language stays "no" and a learning rate is a number.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from instructkit.errors import Fault, RecipeFault, did_you_mean

NULLS = {"", "~", "null", "Null", "NULL"}
BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place:
    """Collects the faults of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def fault(self, node: yaml.Node | None, message: str) -> None:
        """Note a fault where `node` stands; None: the file as a whole."""
        mark = node.start_mark if node is not None else None
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        self.faults.append(Fault(self.file, line, column, message))


def compose(text: str, file: str) -> yaml.Node | None:
    """The node tree of a YAML file. Raises RecipeFault where it is not YAML."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
        _refuse_loops(node, file, ())
        return node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeFault([Fault(file, line, column, f"not YAML: {said}")]) from None
    except yaml.YAMLError as error:
        raise RecipeFault([Fault(file, 0, 0, f"not YAML: {error}")]) from None


def _refuse_loops(node: yaml.Node | None, file: str, above: tuple[int, ...]) -> None:
    if node is None or isinstance(node, yaml.ScalarNode):
        return
    if id(node) in above:
        mark = node.start_mark
        raise RecipeFault([Fault(file, mark.line + 1, mark.column + 1, "an anchor that holds an alias of itself")])
    children = [n for pair in node.value for n in pair] if isinstance(node, yaml.MappingNode) else node.value
    for child in children:
        _refuse_loops(child, file, (*above, id(node)))


def entries(node: yaml.Node | None, place: Place, what: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """(key, key's node, value's node) of a mapping; what is not a mapping and repeated keys become faults."""
    if not isinstance(node, yaml.MappingNode):
        place.fault(node, f"{what} must be a mapping of keys to values, got {describe(node)}")
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else str(key.tag)
        if name in seen:
            place.fault(key, f"{what}: key '{name}' stands twice, first on line {seen[name]}")
            continue
        seen[name] = key.start_mark.line + 1
        yield name, key, value


def describe(node: yaml.Node | None) -> str:
    """What stands there, for a message."""
    if isinstance(node, yaml.ScalarNode):
        return f"'{node.value}'" if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping" if node else "nothing"


def recipe_key(field: str) -> str:
    """The key of a field: a Python word such as `from` is a field `from_`."""
    return field.removesuffix("_")


def field_hints(cls: type[Any]) -> dict[str, Any]:
    """Types of a dataclass's fields, constraints included; class variables left out."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(cls)
        if get_origin(hints[field.name]) is not ClassVar
    }


def names_input(hint: Any) -> bool:
    """Whether a field's type holds `InputPath` anywhere."""
    return _is_marked(hint, "input_path")


def names_cache(hint: Any) -> bool:
    """Whether a field's type holds `CachePath` anywhere."""
    return _is_marked(hint, "cache_path")


def _is_marked(hint: Any, mark: str) -> bool:
    if any(isinstance(m, msgspec.Meta) and (m.extra or {}).get(mark) for m in getattr(hint, "__metadata__", ())):
        return True
    return any(_is_marked(argument, mark) for argument in getattr(hint, "__args__", ()))


def read_dataclass(
    cls: type[Any],
    node: yaml.Node | None,
    place: Place,
    what: str,
    skip: tuple[str, ...] = (),
    preset: dict[str, Any] | None = None,
) -> Any | None:
    """An instance of a dataclass from a mapping node; None when anything is wrong, and then the faults are noted.

    `skip` names keys that are not the dataclass's; `preset` gives values for fields that the mapping leaves out.
    """
    before = len(place.faults)
    hints = {recipe_key(name): hint for name, hint in field_hints(cls).items()}
    values: dict[str, Any] = {}
    nodes: dict[str, yaml.Node] = {}
    if node is not None:
        for name, key, value in entries(node, place, what):
            if name in skip:
                continue
            if name not in hints:
                place.fault(key, f"{what}: unknown key '{name}'{did_you_mean(name, hints)}{_known(hints)}")
                continue
            nodes[name] = value
            values[name] = read_value(hints[name], value, place, f"{what}: {name}")
    fields = {recipe_key(f.name): f for f in dataclasses.fields(cls) if recipe_key(f.name) in hints}
    required = [
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in nodes and name not in (preset or {}):
            place.fault(node, f"{what}: key '{name}' is missing{_known(hints)}")
    if len(place.faults) > before:
        return None
    given = {**{k: v for k, v in (preset or {}).items() if k in hints}, **values}
    instance = cls(**{fields[name].name: value for name, value in given.items()})
    for message in instance.faults() if hasattr(instance, "faults") else []:
        culprit = next((nodes[name] for name in nodes if re.search(rf"\b{re.escape(name)}\b", message)), node)
        place.fault(culprit, f"{what}: {message}")
    return instance if len(place.faults) == before else None


def read_value(hint: Any, node: yaml.Node, place: Place, what: str) -> Any:
    """The value of a node, converted and checked by its type; None after a fault."""
    before = len(place.faults)
    value = _convert(hint, node, place, what)
    if len(place.faults) > before or dataclasses.is_dataclass(value):
        return value
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        said = re.sub(r" - at `\$(.*)`$", r" (at \1)", str(error)).replace("`", "")
        place.fault(node, f"{what}: {said[0].lower()}{said[1:]}, got {describe(node)}")
        return None


def _known(hints: dict[str, Any]) -> str:
    return f" (keys: {', '.join(hints)})" if hints else ""


def _members(hint: Any) -> list[Any]:
    """The alternatives of a type, `Annotated` taken off."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [member for alternative in get_args(hint) for member in _members(alternative)]
    return [hint]


def _convert(hint: Any, node: yaml.Node, place: Place, what: str) -> Any:
    members = _members(hint)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(members, node)
    if isinstance(node, yaml.SequenceNode):
        element = next(
            (
                get_args(m)[0] if get_args(m) else Any
                for m in members
                if get_origin(m) in (list, tuple) or m in (list, tuple)
            ),
            Any,
        )
        return [_convert(element, child, place, f"{what}[{i}]") for i, child in enumerate(node.value)]
    for member in members:
        if dataclasses.is_dataclass(member) and isinstance(member, type):
            return read_dataclass(member, node, place, what)
    element = next((get_args(m)[1] for m in members if get_origin(m) is dict), Any)
    return {key: _convert(element, value, place, f"{what}.{key}") for key, _, value in entries(node, place, what)}


def _scalar(members: list[Any], node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if Any in members:
        return yaml.safe_load(text) if text else None
    if NoneType in members and text in NULLS:
        return None
    for member in members:
        if get_origin(member) is Literal:
            for choice in get_args(member):
                if str(choice) == text:
                    return choice
    if bool in members and text.lower() in BOOLS:
        return BOOLS[text.lower()]
    if int in members and re.fullmatch(r"[-+]?[0-9][0-9_]*", text):
        return int(text)
    if (float in members or int in members) and re.fullmatch(
        r"[-+]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text
    ):
        number = float(text)
        return int(number) if float not in members and number.is_integer() else number
    return text


def parse_settings(cls: type[Any], settings: tuple[str, ...]) -> Any:
    """An instance of a stage from `key=value` words of a command line, values read as in a recipe.

    Raises RecipeFault with every fault.
    """
    lines = [f"{key.strip()}: {value.strip()}" for key, _, value in (word.partition("=") for word in settings)]
    place = Place("--set")
    node = compose("\n".join(lines), place.file) if lines else None
    stage = read_dataclass(cls, node, place, "setting")
    if place.faults:
        raise RecipeFault(place.faults)
    return stage
