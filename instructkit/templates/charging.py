"""The parsed template rewritten so that a row pays for what can multiply, and layout is told from data.

for x in y          →   for x in y | _steps               a ~ b     →   [a, b] | _concat
set x = y           →   set x = y | _weigh                x == y    →   x | _measure == y | _measure
x[1:]               →   x[1:] | _size                     x in y    →   x | _measure in y | _search
{% block user %} Hello   →   {% block user %}Hello        white space of the author's before the first word goes
"""

from __future__ import annotations

from jinja2 import nodes
from jinja2.visitor import NodeTransformer


class Own(str):
    """White space, and what follows it, that the template's author wrote: no data. `str()` of it stays what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


def charge(tree: nodes.Template) -> nodes.Template:
    """The tree, rewritten in place; the filters are those of `environment.Sandbox`."""
    _Charging().visit(tree)
    return tree


class _Charging(NodeTransformer):
    def _wrap(self, node: nodes.Node, name: str) -> nodes.Filter:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        self._mark(node.body, opens=True)
        return node

    def _mark(self, body: list[nodes.Node], opens: bool) -> bool:
        """Take away the white space before the author's first word; whether the text after `body` may be the first.

        Where that is known only with the row (before it stands an expression, a loop, a branch, which may print
        nothing), the text is made `Own`. `opens`: nothing stands before the body.
        """
        for node in body:
            if isinstance(node, nodes.Output):
                for i, part in enumerate(node.nodes):
                    if not isinstance(part, nodes.TemplateData):
                        opens = False
                        continue
                    if opens:
                        part.data = part.data.lstrip()
                    elif part.data[:1].isspace():
                        written = nodes.Const(part.data, lineno=part.lineno, environment=part.environment)
                        node.nodes[i] = self._wrap(written, "_own")
                    if part.data.strip():
                        return False
            elif isinstance(node, nodes.If):
                branches = [node.body, *(other.body for other in node.elif_), node.else_]
                if not max([self._mark(branch, opens) for branch in branches]):  # no `any`: each is to be marked
                    return False
                opens = False
            elif isinstance(node, nodes.For):
                self._mark(node.body, opens=False)
                self._mark(node.else_, opens)
                opens = False
            elif isinstance(node, nodes.With):
                if not self._mark(node.body, opens):
                    return False
                opens = False
            elif isinstance(node, nodes.CallBlock | nodes.FilterBlock):
                opens = False
        return True

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = self._wrap(node.iter, "_steps")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        items = nodes.List(node.nodes, lineno=node.lineno, environment=node.environment)
        return self._wrap(items, "_concat")

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Const):
            node.node = self._wrap(node.node, "_weigh")
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """A comparison with a plain value is cheap; others read both sides, `in` a whole collection or text."""
        self.generic_visit(node)
        if len([side for side in (node.expr, *(op.expr for op in node.ops)) if not _is_plain(side)]) > 1 or any(
            op.op in ("in", "notin") and not _is_plain(op.expr) for op in node.ops
        ):
            node.expr = self._wrap(node.expr, "_measure")
            for op in node.ops:
                op.expr = self._wrap(op.expr, "_search" if op.op in ("in", "notin") else "_measure")
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return self._wrap(node, "_size")  # it is a copy
        if not isinstance(node.arg, nodes.Const):
            node.arg = self._wrap(node.arg, "_measure")  # a key is hashed
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.key, nodes.Const):
            node.key = self._wrap(node.key, "_measure")
        return node

    def visit_With(self, node: nodes.With) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.values = [self._wrap(value, "_weigh") for value in node.values]
        return node


def _is_plain(node: nodes.Node) -> bool:
    """Whether it is a value written out, or a list of such."""
    if isinstance(node, nodes.List | nodes.Tuple):
        return all(isinstance(item, nodes.Const) for item in node.items)
    return isinstance(node, nodes.Const)
