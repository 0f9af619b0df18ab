"""Tools: function definitions as OpenAI writes them, and whether the arguments of a call fit.

[{name: get_weather, parameters: {…}}]  ─ read_tools ─▶  [{type: function, function: {name, description, parameters}}]

`parameters` is JSON Schema, draft 2020-12. Definitions come from strangers as templates do, so whatever could read
another file, take exponential time or run a backtracking regular expression is a fault, and the rest is charged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from instructkit.hashing import canonical_json
from instructkit.templates.limits import STEP_COST
from instructkit.templates.turns import shortened

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
UNSUPPORTED = ("$dynamicRef", "$recursiveRef", "patternProperties", "unevaluatedItems", "unevaluatedProperties")
"""Keywords that jsonschema checks with Python's regular expressions, or in exponential time."""
NAMED = ("$defs", "definitions", "dependentSchemas", "properties")
"""Keywords whose keys are names."""
DATA = ("const", "default", "enum", "examples", "required", "dependentRequired")
"""Keywords whose values are no schemas."""

IN_PLACE = ("$ref", "allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then")
"""Keywords that check the same value again, by another schema."""
SCHEMA_COST = 20 * STEP_COST
"""What checking one schema inside of a definition costs: about 200 µs, by far the most of reading it."""

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
"""Path inside the list of tools, and a message."""
Spend = Callable[[int], None]


def _free(_characters: int) -> None:
    """Definitions in front matter are read once; they cost no row anything."""


def read_tools(given: Any, spend: Spend = _free) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The definitions in full form, and everything that is wrong with them. `spend` charges for reading them."""
    if not isinstance(given, list) or not given:
        return [], [((), "must be a list of function definitions that is not empty")]
    tools: list[dict[str, Any]] = []
    problems: list[Problem] = []
    names: set[str] = set()
    for i, tool in enumerate(given):
        spend(STEP_COST)
        bare = isinstance(tool, dict) and "function" not in tool
        function = tool if bare or not isinstance(tool, dict) else tool["function"]
        path: Path = (i,) if bare or not isinstance(tool, dict) else (i, "function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            problems.append((path, "a tool is {name, description, parameters}, or that under {type, function}"))
            continue
        if not bare and tool.get("type", "function") != "function":
            problems.append(((i, "type"), f"a tool is of type 'function', not {tool['type']!r}"))
        try:
            spend(len(canonical_json(tool)))
        except TypeError as error:
            problems.append((path, f"{shortened(function['name'], 64)}: no JSON ({error})"))
            continue
        name = function["name"]
        if not NAME.match(name):
            problems.append(((*path, "name"), f"'{name}': at most 64 letters, digits, '_', '.' and '-'"))
        if name in names:
            problems.append(((*path, "name"), f"two tools are called '{name}'"))
        names.add(name)
        at = (*path, "parameters")
        found = _schema_problems(function.get("parameters"), spend)
        problems += [((*at, *below), f"{name}: {said}") for below, said in found]
        tools.append({**({} if bare else tool), "type": "function", "function": function})
    return tools, problems


class Toolbox:
    """The tools of an example. Takes definitions without problems; `spend` charges for checking arguments."""

    def __init__(self, definitions: list[dict[str, Any]], spend: Spend) -> None:
        self.json = canonical_json(definitions)
        """For `Example.tools`."""
        self._size = 0
        validator = _validator(lambda items: spend(items + self._size))
        parameters = {tool["function"]["name"]: tool["function"].get("parameters") for tool in definitions}
        self._validators = {name: validator(schema or {}) for name, schema in parameters.items()}

    @property
    def names(self) -> list[str]:
        """What can be called."""
        return list(self._validators)

    def misfit(self, name: str, arguments: dict[str, Any]) -> str | None:
        """Why these arguments do not fit the tool's parameters."""
        self._size = len(self.json) + len(canonical_json(arguments))  # a message may hold both
        error = next(self._validators[name].iter_errors(arguments), None)
        if error is None:
            return None
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        return f"arguments{where}: {shortened(error.message, 300)}"


def _schema_problems(schema: Any, spend: Spend) -> list[Problem]:
    from jsonschema import Draft202012Validator, SchemaError

    if schema is None:
        return []
    if not isinstance(schema, dict):
        return [((), f"parameters are a JSON Schema, not {type(schema).__name__}")]
    seen: Schemas = {}
    try:
        found = list(_unsafe(schema, (), seen, spend))
        if schema.get("type", "object") != "object":
            found.append((("type",), "parameters are of type 'object'"))
        if not found:
            Draft202012Validator.check_schema(schema)
            found += _bad_references(schema, seen)
    except SchemaError as error:
        return [(tuple(error.absolute_path), f"not a JSON Schema: {shortened(error.message, 300)}")]
    except RecursionError:
        return [((), "nested too deeply")]
    return found


Schemas = dict[int, tuple[Path, Any]]
"""The schemas inside of a definition by `id`, with their paths: what a `$ref` may point to."""


def _unsafe(schema: Any, path: Path, seen: Schemas, spend: Spend) -> Iterator[Problem]:
    """Everything that is refused by its keyword; fills `seen`."""
    spend(SCHEMA_COST if isinstance(schema, dict | list) else STEP_COST)
    if isinstance(schema, list):
        for i, item in enumerate(schema):
            yield from _unsafe(item, (*path, i), seen, spend)
        return
    if isinstance(schema, dict):
        seen[id(schema)] = path, schema
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in UNSUPPORTED:
            yield (*path, key), f"'{key}' is not supported"
        elif key in ("$ref", "$id", "$schema") and not (key == "$schema" or str(value).startswith("#")):
            yield (*path, key), f"'{key}' points out of the definition; only '#/…' is read"
        elif key == "pattern" and isinstance(value, str) and not _is_regular(value):
            yield (*path, key), f"pattern {value[:80]!r} is no regular expression in linear time (no look-around)"
        elif key in NAMED and isinstance(value, dict):
            for name, below in value.items():
                yield from _unsafe(below, (*path, key, name), seen, spend)
        elif key in DATA:
            spend(STEP_COST * (1 + (len(value) if isinstance(value, list | dict) else 0)))
        else:
            yield from _unsafe(value, (*path, key), seen, spend)


def _bad_references(root: dict[str, Any], seen: Schemas) -> list[Problem]:
    """References to nothing, and those that lead back to where they stand without a step into the value."""
    found: list[Problem] = []
    anchors = {schema["$anchor"]: schema for _, schema in seen.values() if isinstance(schema.get("$anchor"), str)}
    next_of: dict[int, list[int]] = {}
    for at, (path, schema) in seen.items():
        below: list[Any] = []
        for key in IN_PLACE:
            value = schema.get(key)
            if key == "$ref" and isinstance(value, str):
                target = _target(root, value, anchors)
                # What stands in `const` or `default` was not looked at, so it is no schema to point to.
                if id(target) not in seen and not isinstance(target, bool):
                    found.append(((*path, key), f"'$ref' points to {shortened(value, 80)!r}, where no schema stands"))
                below.append(target)
            elif isinstance(value, list):
                below += value
            elif isinstance(value, dict):
                below += value.values() if key == "dependentSchemas" else [value]
        next_of[at] = [id(each) for each in below if id(each) in seen]
    endless = _on_a_circle(next_of)
    if endless is not None:
        found.append((seen[endless][0], "'$ref' leads back to itself without end"))
    return found


def _target(root: Any, reference: str, anchors: dict[str, Any]) -> Any:
    pointer = unquote(reference[1:])
    if pointer and not pointer.startswith("/"):
        return anchors.get(pointer)
    target = root
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = target[int(step)] if step.isdecimal() and len(step) < 9 and int(step) < len(target) else None
        else:
            target = target.get(step) if isinstance(target, dict) else None
    return target


def _on_a_circle(next_of: dict[int, list[int]]) -> int | None:
    """A node from which the edges lead back to itself: what is left when all that leads nowhere is taken away."""
    into: dict[int, list[int]] = {at: [] for at in next_of}
    open_edges = {at: len(targets) for at, targets in next_of.items()}
    for at, targets in next_of.items():
        for target in targets:
            into[target].append(at)
    done = [at for at, count in open_edges.items() if not count]
    for at in done:  # grows
        for before in into[at]:
            open_edges[before] -= 1
            if not open_edges[before]:
                done.append(before)
    return next((at for at, count in open_edges.items() if count), None)


def _is_regular(pattern: str) -> bool:
    from polars.exceptions import ComputeError

    try:
        _matches(pattern, "")
    except ComputeError:
        return False
    return True


def _matches(pattern: str, text: str) -> bool:
    # Rust's regular expressions need linear time, Python's may need exponential.
    import polars as pl

    return bool(pl.Series([text]).str.contains(pattern)[0])


def _validator(spend: Spend) -> Any:
    """Jsonschema's validator whose every step is charged."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    def charged(check: Callable[..., Any]) -> Callable[..., Any]:
        def run(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            spend(STEP_COST + sum(len(given) for given in (value, instance) if isinstance(given, str | list | dict)))
            return check(validator, value, instance, schema)

        return run

    def pattern(_validator: Any, value: str, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not _matches(value, instance):
            yield ValidationError(f"{instance!r} does not match {value!r}")

    def unique(_validator: Any, value: bool, instance: Any, _schema: Any) -> Iterator[Any]:
        # jsonschema compares each with each.
        if value and isinstance(instance, list) and len(set(map(canonical_json, instance))) < len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")

    ours = {**Draft202012Validator.VALIDATORS, "pattern": pattern, "uniqueItems": unique}
    validator = extend(Draft202012Validator, {name: charged(check) for name, check in ours.items()})
    # An empty registry of our own: jsonschema's looks names up in the network.
    return lambda schema: validator(schema, registry=Registry())
