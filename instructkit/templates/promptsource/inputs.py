"""What a row must bring, and what it may lack: told from where the template prints its columns.

A column is required when there is no complete pair of messages without it: each way through the template that prints
both a prompt and an answer prints it too. In the original a row without it has a hole in its text. A column that the
template asks about (`{% if context %}`) or loops over may be empty, and stands for nothing then, as in the original.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import nodes

from instructkit.templates.promptsource.names import free, tree_of
from instructkit.templates.promptsource.pieces import Block, Group, If, Pieces, Print, Set, Text, walk

Ways = tuple[frozenset[str] | None, frozenset[str] | None]
"""Names printed on every way that prints nothing but white space, and on every way that prints; None: no such way."""
NOTHING: Ways = (frozenset(), None)
MEASURING = frozenset(
    {"length", "count", "default", "d", "list", "select", "reject", "selectattr", "rejectattr", "map"}
)


def declare(body: Pieces, above: Pieces, besides: set[str]) -> dict[str, dict[str, Any] | None]:
    """The inputs of a converted template as its front matter says them.

    `body` has the blocks, `above` what sets the answer choices; `besides` names variables that are no inputs.
    """
    names = sorted(free((*above, *body)) - besides, key=_order((*above, *body)))
    must = required(body) | _always(above)
    asked = _usage((*above, *body))
    declared: dict[str, dict[str, Any] | None] = {}
    for name in names:
        use = asked.get(name, set())
        if name in must or "number" in use:
            declared[name] = None
        elif "none" in use:
            declared[name] = {"required": False}
        elif "pairs" in use:
            declared[name] = {"default": {}}
        elif "list" in use:
            declared[name] = {"default": []}
        else:
            declared[name] = {"default": ""}
    return declared


def required(body: Pieces) -> set[str]:
    """Columns without which no way through the template has both messages."""
    user: Ways = NOTHING
    assistant: Ways = NOTHING
    known = dict[str, frozenset[str]]()
    whole: frozenset[str] = frozenset()
    for piece in body:
        if isinstance(piece, Set):
            known[piece.target] = _printed_names(piece.value, known)
        elif isinstance(piece, If):
            found = [required(branch) for _, branch in piece.branches if any(isinstance(p, Block | If) for p in branch)]
            whole |= frozenset(set.intersection(*found) if found else ())
        elif isinstance(piece, Block):
            if piece.name == "user":
                user = _ways(piece.body, known)
            else:
                assistant = _ways(piece.body, known)
    return set((user[1] or frozenset()) | (assistant[1] or frozenset()) | whole)


def _ways(pieces: Pieces, known: dict[str, frozenset[str]]) -> Ways:
    known = dict(known)
    ways = NOTHING
    for piece in pieces:
        step = NOTHING
        if isinstance(piece, Text) and piece.data.strip():
            step = (None, frozenset())
        elif isinstance(piece, Print):
            step = (None, _printed_names(piece.code, known))
        elif isinstance(piece, Set):
            known[piece.target] = _printed_names(piece.value, known)
        elif isinstance(piece, If):
            branches = [_ways(body, known) for _, body in piece.branches]
            if piece.branches[-1][0] is not None:
                branches.append(NOTHING)
            step = (_both([b[0] for b in branches]), _both([b[1] for b in branches]))
        elif isinstance(piece, Group) and piece.word in ("for", "call", "filter"):
            step = (frozenset(), frozenset())
        ways = _then(ways, step)
    return ways


def _then(first: Ways, second: Ways) -> Ways:
    (e1, p1), (e2, p2) = first, second
    nothing = e1 | e2 if e1 is not None and e2 is not None else None
    pairs = [(p1, e2), (e1, p2), (p1, p2)]
    return nothing, _both([a | b for a, b in pairs if a is not None and b is not None])


def _both(ways: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found = [way for way in ways if way is not None]
    return frozenset.intersection(*found) if found else None


def _printed_names(code: str, known: dict[str, frozenset[str]]) -> frozenset[str]:
    """Names whose emptiness leaves a hole where the expression is printed; `known`: what variables were made of."""
    found: set[str] = set()

    def look(node: nodes.Node) -> None:
        if isinstance(node, nodes.Name):
            found.update(known.get(node.name, {node.name}))
        elif isinstance(node, nodes.Filter):
            if node.name not in MEASURING or node.name in ("list", "map"):
                look(node.node) if node.node else None
        elif isinstance(node, nodes.CondExpr | nodes.Or | nodes.And | nodes.Compare | nodes.Test | nodes.Not):
            pass
        elif isinstance(node, nodes.Call | nodes.Getattr):
            look(node.node)
        elif isinstance(node, nodes.Getitem):
            look(node.node)
            if not isinstance(node.arg, nodes.Slice):
                look(node.arg)
        elif isinstance(node, nodes.Concat | nodes.BinExpr | nodes.UnaryExpr):
            for child in node.iter_child_nodes():
                look(child)

    for node in tree_of((Print(code),)).find_all(nodes.Output):
        for child in node.nodes:
            look(child)
    return frozenset(found)


def _always(above: Pieces) -> set[str]:
    """Columns that the answer choices are made of: without one there is a choice too few."""
    return free(above)


def _order(pieces: Pieces) -> Any:
    places: dict[str, int] = {}
    for i, name in enumerate(node.name for node in tree_of(pieces).find_all(nodes.Name)):
        places.setdefault(name, i)
    return lambda name: (places.get(name, len(places)), name)


def _usage(pieces: Pieces) -> dict[str, set[str]]:
    """How names are asked about: as numbers, as lists, as pairs, for being none."""
    found: dict[str, set[str]] = {}

    def mark(node: Any, use: str) -> None:
        if isinstance(node, nodes.Name):
            found.setdefault(node.name, set()).add(use)

    tree = tree_of(pieces)
    for compare in tree.find_all(nodes.Compare):
        sides = [compare.expr, *(operand.expr for operand in compare.ops)]
        for a in sides:
            for b in sides:
                value = b.value if isinstance(b, nodes.Const) else b.node if isinstance(b, nodes.Neg) else ...
                if isinstance(value, nodes.Const):
                    value = value.value
                if value is None:
                    mark(a, "none")
                elif isinstance(value, bool | int | float):
                    mark(a, "number")
                elif isinstance(b, nodes.List):
                    mark(a, "list")
        for operand in compare.ops:
            if operand.op in ("in", "notin") and not isinstance(compare.expr, nodes.Const):
                mark(operand.expr, "list")
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.arg, nodes.Const | nodes.Neg | nodes.Slice):
            if not (isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str)):
                mark(item.node, "list")
        else:
            mark(item.arg, "number")
    for loop in tree.find_all(nodes.For):
        mark(loop.iter, "list")
    for test in tree.find_all(nodes.Test):
        if test.name in ("none", "defined", "undefined"):
            mark(test.node, "none")
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Getattr) and call.node.attr in ("items", "keys", "values"):
            mark(call.node.node, "pairs")
    return found


def printed_in(pieces: Pieces, block: str) -> set[str]:
    """Names that a block prints, whatever the conditions."""
    found: set[str] = set()
    for piece in walk(pieces):
        if isinstance(piece, Block) and piece.name == block:
            for part in walk(piece.body):
                if isinstance(part, Print):
                    found |= _printed_names(part.code, {})
    return found
