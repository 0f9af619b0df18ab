"""A template's own words, read off its syntax tree: what it prints, with everything that comes from the row masked.

{% block user %}{{ ["Sum up", "Shorten"] | choice }} this: {{ text }}{% endblock %}
                                          ￼ this: ￼ | Sum up | Shorten
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jinja2 import nodes

MASK = " \ufffc "
"""Stands where something comes from the row, spaces around it: OBJECT REPLACEMENT CHARACTER."""
MASKED = "\ufffc"
NAMED_MASK = re.compile(f"{MASK}(?:{MASKED}[^{MASKED}]*{MASKED} )*")
"""A mask and the names behind it."""

SAME_TEXT = frozenset(
    {"capitalize", "center", "indent", "lower", "string", "title", "trim", "truncate", "upper", "wordwrap"}
)
"""Filters that print the text they are given, more or less as it is."""
SAME_TEXT_METHODS = frozenset({"capitalize", "casefold", "lower", "lstrip", "rstrip", "strip", "title", "upper"})
DRAWING = frozenset({"choice", "sample", "shuffle"})


class Wording(NamedTuple):
    """Words that stand together."""

    text: str
    line: int


def wordings(body: Iterable[nodes.Node], named: bool = False) -> list[Wording]:
    """The words that a block prints in one go, then what it prints instead of or inside of them, piece by piece.

    `named`: a mask is followed by the names that its expression reads, so that it is told from the others.
    """
    reader = _Reader(named)
    body = list(body)
    text = reader.body(body)
    return [Wording(text, body[0].lineno if body else 0), *reader.apart]


def drawn_lists(body: Iterable[nodes.Node]) -> Iterator[list[Wording]]:
    """The items of each literal list that `choice` draws from, with named masks."""
    for node in body:
        for drawn in [*([node] if isinstance(node, nodes.Filter) else []), *node.find_all(nodes.Filter)]:
            if drawn.name == "choice" and isinstance(drawn.node, nodes.List | nodes.Tuple):
                yield [Wording(_Reader(named=True).expression(item), item.lineno) for item in drawn.node.items]


def printed_names(node: nodes.Node | None, sets: dict[str, nodes.Node], depth: int = 0) -> set[str]:
    """Names whose text an expression certainly hands on to what it prints; `sets`: what `set` gives names.

    Macros, slices and filters that may hide some of a text hand on nothing.
    """
    if depth > 20 or node is None:
        return set()
    below: list[nodes.Node | None] = []
    if isinstance(node, nodes.Name):
        return printed_names(sets[node.name], sets, depth + 1) if node.name in sets else {node.name}
    if isinstance(node, nodes.Concat):
        below = list(node.nodes)
    elif isinstance(node, nodes.Add):
        below = [node.left, node.right]
    elif isinstance(node, nodes.Filter) and node.name in SAME_TEXT - {"truncate"} | DRAWING | {"join"}:
        below = [node.node]
    elif isinstance(node, nodes.CondExpr):
        below = [node.expr1, node.expr2]
    elif isinstance(node, nodes.List | nodes.Tuple):
        below = list(node.items)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        below = [node.node.node] if node.node.attr in SAME_TEXT_METHODS else []
    return set[str]().union(*(printed_names(each, sets, depth + 1) for each in below))


def single_sets(nodes_: Iterable[nodes.Node]) -> dict[str, nodes.Node]:
    """What plain `set`s give names that are given something only once."""
    found: dict[str, list[nodes.Node]] = {}
    for top in nodes_:
        for node in [*([top] if isinstance(top, nodes.Assign) else []), *top.find_all(nodes.Assign)]:
            if isinstance(node.target, nodes.Name):
                found.setdefault(node.target.name, []).append(node.node)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


class _Reader:
    def __init__(self, named: bool = False) -> None:
        self.named = named
        self.line = 0
        self.apart: list[Wording] = []

    def body(self, body: Iterable[nodes.Node]) -> str:
        return "".join([self.statement(node) for node in body])

    def statement(self, node: nodes.Node) -> str:
        self.line = node.lineno or self.line
        if isinstance(node, nodes.Output):
            return "".join([self.expression(part) for part in node.nodes])
        if isinstance(node, nodes.If):
            for other in [*(each.body for each in node.elif_), node.else_]:
                self._keep(self.body(other), other[0].lineno if other else node.lineno)
            return self.body(node.body)
        if isinstance(node, nodes.For):
            self._keep(self.body(node.else_), node.lineno)
            return self.body(node.body)
        if isinstance(node, nodes.With | nodes.FilterBlock | nodes.CallBlock | nodes.Scope):
            return self.body(node.body)
        if isinstance(node, nodes.AssignBlock | nodes.Macro):
            self._keep(self.body(node.body), node.lineno)
        elif isinstance(node, nodes.Assign):
            self._keep(self.expression(node.node), node.lineno)
        return ""

    def expression(self, node: nodes.Node | None) -> str:
        """What is written there, masked where it is the row's."""
        if isinstance(node, nodes.TemplateData):
            return str(node.data)
        if isinstance(node, nodes.Const):
            return node.value if isinstance(node.value, str) else self._mask(node)
        if isinstance(node, nodes.Concat):
            return "".join([self.expression(part) for part in node.nodes])
        if isinstance(node, nodes.Add):
            return self.expression(node.left) + self.expression(node.right)
        if isinstance(node, nodes.Filter):
            if node.name in SAME_TEXT:
                return self.expression(node.node)
            if node.name in DRAWING or node.name == "join":
                self._items(node.node)
        elif isinstance(node, nodes.CondExpr):
            for branch in (node.expr1, node.expr2):
                self._keep(self.expression(branch), node.lineno)
        elif isinstance(node, nodes.And | nodes.Or):
            for branch in (node.left, node.right):
                self._keep(self.expression(branch), node.lineno)
        elif isinstance(node, nodes.Getitem):
            self._items(node.node)
        elif isinstance(node, nodes.List | nodes.Tuple | nodes.Dict):
            self._items(node)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            for argument in [*node.args, *(keyword.value for keyword in node.kwargs)]:
                self._keep(self.expression(argument), node.lineno)
        return self._mask(node)

    def _mask(self, node: nodes.Node | None) -> str:
        if not self.named or node is None:
            return MASK
        names = [node] if isinstance(node, nodes.Name) else node.find_all(nodes.Name)
        return MASK + "".join(f"{MASKED}{name.name}{MASKED} " for name in names)

    def _items(self, node: nodes.Node | None) -> None:
        items = node.items if isinstance(node, nodes.List | nodes.Tuple | nodes.Dict) else []
        for item in items:
            value = item.value if isinstance(item, nodes.Pair) else item
            self._keep(self.expression(value), value.lineno)

    def _keep(self, text: str, line: int | None) -> None:
        if any(char.isalpha() for char in text):
            # Jinja gives the operands of `if … else` no line.
            self.apart.append(Wording(text, line or self.line))
