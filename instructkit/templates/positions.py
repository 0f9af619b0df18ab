"""YAML with the place of every key: values as the YAML 1.2 core schema reads them, text where text is meant.

PyYAML reads `no` as false, `2e-5` as text and `12:30` as a number; here only true, false, null and plain numbers
are anything but text, and a scalar in a place that holds text stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml
from yaml.scanner import ScannerError

from instructkit.errors import Fault

Path = tuple[str | int, ...]
Positions = dict[Path, tuple[int, int]]
"""Line and column, from 1, of the key or item at each path."""


class Read(NamedTuple):
    """One YAML document."""

    value: Any
    positions: Positions
    text_lines: dict[Path, tuple[int, bool]]
    """The line on which the text of each scalar begins, below the `|` of a block; whether its lines are the file's.

    Only those of a `|` block are: elsewhere a line's end is an escape, and lines are folded.
    """
    faults: list[Fault]
    """Keys given twice, aliases."""


MAX_NESTING = 100


class _CoreLoader(yaml.SafeLoader):
    """Starts without any rule of what looks like a number, a date or a yes; its flow lists nest to a bounded depth."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        # PyYAML's time grows with the square of the depth.
        if self.flow_level >= MAX_NESTING:
            raise ScannerError(None, None, f"brackets nested deeper than {MAX_NESTING}", self.get_mark())
        super().fetch_flow_collection_start(token)


_CoreLoader.yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def read_yaml(text: str, file: str, *, first_line: int, as_text: Callable[[Path], bool]) -> Read:
    """Read one YAML document. Raises yaml.MarkedYAMLError."""
    loader = _CoreLoader(text)
    positions: Positions = {}
    text_lines: dict[Path, tuple[int, bool]] = {}
    faults: list[Fault] = []
    seen: set[int] = set()

    def mark(node: yaml.Node) -> tuple[int, int]:
        return node.start_mark.line + first_line, node.start_mark.column + 1

    def build(node: yaml.Node, path: Path) -> Any:
        # An alias is the same node again: a few lines of them unfold into gigabytes.
        if id(node) in seen:
            faults.append(Fault(file, *mark(node), "aliases (*name) are not read here; write the value out"))
            return None
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                positions[(*path, i)] = mark(item)
            return [build(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value in node.value:
                key = str(key_node.value)
                if key in result:
                    faults.append(Fault(file, *mark(key_node), f"the key '{key}' is given twice"))
                positions[(*path, key)] = mark(key_node)
                result[key] = build(value, (*path, key))
            return result
        style = getattr(node, "style", None)
        text_lines[path] = mark(node)[0] + (style in ("|", ">")), style == "|"
        if path and as_text(path) and node.tag != "tag:yaml.org,2002:null":
            return node.value
        try:
            return _number_or(loader, node)
        except ValueError as error:  # `!!int x`, or more digits than Python reads
            faults.append(Fault(file, *mark(node), f"not a number: {error}"))
            return None

    try:
        node = loader.get_single_node()
        value = None if node is None else build(node, ())
        return Read(value, positions, text_lines, faults)
    finally:
        loader.dispose()


def _number_or(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    kind = node.tag.rpartition(":")[2]
    if kind == "int":
        return int(node.value)
    if kind == "float":
        return float(node.value)
    return loader.construct_object(node)
