"""What a template expects of its columns, told from what it does with them: texts, numbers, lists, dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from instructkit.templates.environment import TEXT_METHODS

TO_ITEM = frozenset({"first", "last", "choice", "random", "max", "min"})
OF_LIST = frozenset({"join", "sort", "most_frequent", "reject", "select", "unique", "reverse", "sum", "batch", "list"})
OF_TEXT = frozenset({"lower", "upper", "capitalize", "title", "trim", "replace", "truncate", "wordcount", "wordwrap"})
OF_NUMBER = frozenset({"int", "float", "round", "abs"})


@dataclass(eq=False)
class Shape:
    """What is known of one value."""

    fields: dict[str, Shape] = field(default_factory=dict)
    """What is read from it by name."""
    item: Shape | None = None
    """What its items are, where it is used as a list."""
    at_least: int = 0
    """Items that are read by number."""
    is_text: bool = False
    is_number: bool = False
    pairs: bool = False
    """Its items are gone through with their names."""
    constants: list[Any] = field(default_factory=list)
    """What it is compared with."""
    below: int | None = None
    """It counts into something of that many items."""
    one_of: Shape | None = None
    """It is looked for in that list."""
    keys: list[Any] = field(default_factory=list)
    """It is a dictionary of the template's own, with these keys."""
    begins: tuple[Shape, str] | None = None
    """It is what that text begins with, up to this sign."""

    def named(self, name: str) -> Shape:
        """What is read from it under a name."""
        return self.fields.setdefault(name, Shape())

    def items(self) -> Shape:
        """Its items; from now on it is a list."""
        self.item = self.item or Shape()
        return self.item

    def number(self, below: int | None = None) -> Shape:
        """From now on it is a number."""
        self.is_number = True
        self.below = below if below is not None else self.below
        return self

    def compared(self, value: Any) -> None:
        """It is compared with a constant."""
        if value is not None and value not in [c for c in self.constants if type(c) is type(value)]:
            self.constants.append(value)
            if self.begins and isinstance(value, str):
                whole, sign = self.begins
                whole.compared(f"{value}{sign}and what follows")


class _Reader:
    """Goes through a template once, in the order of its text."""

    def __init__(self, choices: int | None) -> None:
        self.columns: dict[str, Shape] = {}
        self.local: dict[str, Shape] = {}
        if choices is not None:
            self.local["answer_choices"] = Shape(item=Shape(is_text=True), at_least=choices)
        self.fixed = self.local.get("answer_choices")

    def statement(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Assign):
            value = self.value(node.node)
            if isinstance(node.target, nodes.Name):
                self.local[node.target.name] = value
            return
        if isinstance(node, nodes.For):
            self.local["loop"] = Shape(is_number=True)
            self._bind(node.target, self._items(node.iter))
            if node.test:
                self.value(node.test)
        elif isinstance(node, nodes.Macro):
            self.local |= {argument.name: Shape() for argument in node.args}
        elif isinstance(node, nodes.AssignBlock) and isinstance(node.target, nodes.Name):
            self.local[node.target.name] = Shape(is_text=True)
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.Expr):
                if getattr(child, "ctx", "load") == "load" and not (isinstance(node, nodes.For)):
                    self.value(child)
            else:
                self.statement(child)

    def _bind(self, target: nodes.Node, item: Shape) -> None:
        if isinstance(target, nodes.Name):
            self.local[target.name] = item
        elif isinstance(target, nodes.Tuple):
            for i, part in enumerate(target.items):
                self._bind(part, item.named(str(i)))

    def _items(self, node: nodes.Node) -> Shape:
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            if node.node.name == "zip":
                return Shape(fields={str(i): self.value(argument).items() for i, argument in enumerate(node.args)})
            self.value(node)
            return Shape(is_number=True)
        return self.value(node).items()

    def value(self, node: nodes.Node) -> Shape:
        """The shape of an expression; whatever it is used for is noted on the way."""
        found: Callable[[Any], Shape] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if found:
            return found(node)
        for child in node.iter_child_nodes():
            self.value(child)
        return Shape()

    def _name(self, node: nodes.Name) -> Shape:
        if node.name in self.local:
            return self.local[node.name]
        return self.columns.setdefault(node.name, Shape())

    def _const(self, node: nodes.Const) -> Shape:
        return Shape(constants=[node.value])

    def _getattr(self, node: nodes.Getattr) -> Shape:
        return self.value(node.node).named(node.attr)

    def _getitem(self, node: nodes.Getitem) -> Shape:
        owner, at = self.value(node.node), node.arg
        if isinstance(at, nodes.Const) and isinstance(at.value, str):
            return owner.named(at.value)
        if isinstance(at, nodes.Slice):
            for child in at.iter_child_nodes():
                self.value(child).number()
            return owner
        if isinstance(at, nodes.Const | nodes.Neg):
            number = at.value if isinstance(at, nodes.Const) else 1
            owner.at_least = max(owner.at_least, int(number) + 1)
            return owner.items()
        place = self.value(at)
        if owner.keys:
            for key in owner.keys:
                place.compared(key)
            return Shape()
        if not place.is_text and not any(isinstance(constant, str) for constant in place.constants):
            place.number(owner.at_least if owner is self.fixed else None)
            if place.below is None:
                place.one_of = place.one_of or owner
        return owner.items()

    def _filter(self, node: nodes.Filter) -> Shape:
        owner = self.value(node.node) if node.node else Shape()
        for child in (*node.args, *(pair.value for pair in node.kwargs)):
            self.value(child)
        named: dict[Any, Any] = {p.key: p.value.value for p in node.kwargs if isinstance(p.value, nodes.Const)}
        given = [argument.value for argument in node.args if isinstance(argument, nodes.Const)]
        if node.name in TO_ITEM:
            return owner.items()
        if node.name == "map":
            if "attribute" in named:
                return Shape(item=owner.items().named(str(named["attribute"])))
            owner.items().is_text = True
            return owner
        if node.name in ("selectattr", "rejectattr") and given:
            part = owner.items().named(str(given[0]))
            for value in given[2:]:
                part.compared(value)
            return owner
        if node.name in OF_LIST:
            if "attribute" in named:
                owner.items().named(str(named["attribute"]))
            owner.items()
            return Shape(is_text=True) if node.name == "join" else owner
        if node.name in OF_TEXT:
            owner.is_text = True
        elif node.name in OF_NUMBER:
            return owner.number()
        return owner if node.name in ("default", "d", *OF_TEXT) else Shape()

    def _call(self, node: nodes.Call) -> Shape:
        given = [self.value(argument) for argument in node.args]
        if isinstance(node.node, nodes.Name):
            if node.node.name == "range":
                for shape in given:
                    shape.number()
                return Shape(item=Shape(is_number=True))
            if node.node.name == "namespace":
                return Shape(fields={str(pair.key): self.value(pair.value) for pair in node.kwargs})
            return Shape()
        if not isinstance(node.node, nodes.Getattr):
            return Shape()
        owner, method = self.value(node.node.node), node.node.attr
        if method in ("items", "keys", "values"):
            owner.pairs = True
            return Shape()
        if method in ("index", "count") and given and not owner.is_text:
            for constant in owner.items().constants:
                given[0].compared(constant)
            given[0].one_of = owner
            return Shape(is_number=True)
        if method == "append" and given:
            owner.item = given[0]
            return Shape()
        if method in TEXT_METHODS:
            owner.is_text = True
            if method == "split" and given and given[0].constants:
                return Shape(item=Shape(is_text=True, begins=(owner, str(given[0].constants[0]))))
            return Shape(item=Shape(is_text=True)) if "split" in method else Shape(is_text=True)
        return Shape()

    def _compare(self, node: nodes.Compare) -> Shape:
        left = self.value(node.expr)
        for operand in node.ops:
            right = self.value(operand.expr)
            if operand.op in ("in", "notin"):
                if right.constants and not right.item:
                    left.is_text = True
                elif isinstance(operand.expr, nodes.List | nodes.Tuple):
                    for constant in (child.value for child in operand.expr.items if isinstance(child, nodes.Const)):
                        left.compared(constant)
                elif left.constants:
                    right.compared(left.constants[0])
                else:
                    left.one_of = right
                    right.items()
                continue
            for one, other in ((left, right), (right, left)):
                for constant in other.constants:
                    one.compared(constant)
                    if operand.op not in ("eq", "ne") and isinstance(constant, int | float):
                        one.number()
            if not left.constants and not right.constants and operand.op in ("eq", "ne"):
                left.one_of = left.one_of or Shape(item=right)
            left = right
        return Shape(constants=[True, False])

    def _arithmetic(self, node: nodes.BinExpr) -> Shape:
        sides = [self.value(node.left), self.value(node.right)]
        texts = any(isinstance(constant, str) for side in sides for constant in side.constants)
        for side in sides:
            if not texts and not side.item and not side.is_text:
                side.number()
        return Shape(is_text=texts, is_number=not texts)

    _sub = _mul = _div = _floordiv = _mod = _add = _arithmetic

    def _neg(self, node: nodes.Neg) -> Shape:
        inner = self.value(node.node)
        return Shape(constants=[-constant for constant in inner.constants if isinstance(constant, int | float)])

    def _list(self, node: nodes.List | nodes.Tuple) -> Shape:
        found = [self.value(item) for item in node.items]
        constants = [item.value for item in node.items if isinstance(item, nodes.Const)]
        item = Shape(constants=constants) if len(constants) == len(found) else found[0]
        return Shape(item=item, at_least=len(found))

    _tuple = _list

    def _dict(self, node: nodes.Dict) -> Shape:
        for pair in node.items:
            self.value(pair.value)
        return Shape(keys=[pair.key.value for pair in node.items if isinstance(pair.key, nodes.Const)])

    def _condexpr(self, node: nodes.CondExpr) -> Shape:
        self.value(node.test)
        other = self.value(node.expr2) if node.expr2 else Shape()
        found = self.value(node.expr1)
        return found if found.fields or found.item else other

    def _or(self, node: nodes.BinExpr) -> Shape:
        left, right = self.value(node.left), self.value(node.right)
        return left if left.fields or left.item else right


def read_shapes(trees: list[nodes.Template], choices: int | None) -> dict[str, Shape]:
    """Shapes of the columns that templates read. `choices`: how many fixed answer choices there are, if any."""
    reader = _Reader(choices)
    for tree in trees:
        reader.statement(tree)
    return {name: shape for name, shape in reader.columns.items() if name not in ("zip", "range", "namespace")}
