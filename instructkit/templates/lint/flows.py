"""Which inputs reach what a block prints: by way of variables, loops, macros and arguments.

{% macro s(q) %}{{ q | upper }}{% endmacro %}
{% set h %}{{ answer }}{% endset %}
{% block user %}{{ h[:5] }} {{ s(answer) }}{% endblock %}       answer, twice

What is asked about a value (`answer == "x"`, `answer | length`) does not hand it on, nor does what picks by it
(`choices[answer]`), nor what stands below a key (`qa.question`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes

Reaching = frozenset[str]
Bound = dict[str, Reaching]
"""What a name holds of which inputs; a name that is not there is an input."""

NOTHING: Reaching = frozenset()
TELLING = frozenset({"count", "length", "wordcount"})
"""Filters that tell something of a value and do not hand it on."""
TELLING_METHODS = frozenset({"count", "endswith", "find", "get", "index", "keys", "rfind", "rindex", "startswith"})
SHOWN_ARGUMENTS = {"default": 0, "d": 0, "get": 1, "join": 0, "replace": 1}
"""Filters and methods, and which of their arguments may be handed on."""


def reaching(tree: nodes.Template, block: nodes.Block, *, cut: bool = True) -> Iterator[tuple[str, int]]:
    """Names of inputs that a block prints, and the lines that print them; without `cut`, slices do not count."""
    flow = _Flow({macro.name: macro for macro in tree.find_all(nodes.Macro)}, cut)
    list(flow.printed(tree.body, flow.top))
    for names, line in flow.printed(block.body, dict(flow.top)):
        for name in sorted(names):
            yield name, line


class _Flow:
    def __init__(self, macros: dict[str, nodes.Macro], cut: bool) -> None:
        self.macros, self.cut = macros, cut
        self.top: Bound = {}
        self.called: dict[tuple[str, tuple[Reaching, ...]], Reaching] = {}

    def printed(self, body: Iterable[nodes.Node], bound: Bound) -> Iterator[tuple[Reaching, int]]:
        """What statements print; fills `bound`."""
        for node in body:
            if isinstance(node, nodes.Output):
                for part in node.nodes:
                    yield self.of(part, bound), part.lineno or node.lineno
            elif isinstance(node, nodes.Assign):
                self._bind(node.target, node.node, bound)
            elif isinstance(node, nodes.AssignBlock):
                names = self._all(node.body, dict(bound))
                hidden = isinstance(node.filter, nodes.Filter) and node.filter.name in TELLING
                self._name(node.target, NOTHING if hidden else names, bound)
            elif isinstance(node, nodes.If):
                yield from self._if(node, bound)
            elif isinstance(node, nodes.For):
                inner = dict(bound)
                self._each(node.target, node.iter, inner)
                yield from self.printed([*node.body, *node.else_], inner)
            elif isinstance(node, nodes.With):
                inner = dict(bound)
                for target, value in zip(node.targets, node.values, strict=True):
                    self._bind(target, value, inner)
                yield from self.printed(node.body, inner)
            elif isinstance(node, nodes.CallBlock):
                yield self.of(node.call, bound), node.lineno
                yield from self.printed(node.body, dict(bound))
            elif isinstance(node, nodes.FilterBlock):
                if node.filter.name not in TELLING:
                    yield from self.printed(node.body, dict(bound))
            elif isinstance(node, nodes.Scope):
                yield from self.printed(node.body, dict(bound))

    def of(self, node: nodes.Node | None, bound: Bound) -> Reaching:
        """What an expression hands on."""
        if isinstance(node, nodes.Name):
            return bound.get(node.name, frozenset({node.name}))
        if isinstance(node, nodes.CondExpr):
            return self._any([node.expr1, node.expr2], bound)
        if isinstance(node, nodes.And | nodes.Mod):
            return self.of(node.right, bound)
        if isinstance(node, nodes.Or | nodes.Add):
            return self._any([node.left, node.right], bound)
        if isinstance(node, nodes.Concat):
            return self._any(node.nodes, bound)
        if isinstance(node, nodes.List | nodes.Tuple):
            return self._any(node.items, bound)
        if isinstance(node, nodes.Dict):
            return self._any([pair.value for pair in node.items], bound)
        if isinstance(node, nodes.Getitem):
            return self.of(node.node, bound) if self.cut and isinstance(node.arg, nodes.Slice) else NOTHING
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            return bound.get(f"{node.node.name}.{node.attr}", NOTHING)
        if isinstance(node, nodes.Filter) and node.name not in TELLING:
            return self.of(node.node, bound) | self._shown(node.name, node, bound)
        return self._call(node, bound) if isinstance(node, nodes.Call) else NOTHING

    def _call(self, node: nodes.Call, bound: Bound) -> Reaching:
        if isinstance(node.node, nodes.Getattr):
            method = node.node.attr
            told = method in TELLING_METHODS or method.startswith("is")
            base = NOTHING if told else self.of(node.node.node, bound)
            return base | self._shown(method, node, bound)
        if not isinstance(node.node, nodes.Name):
            return NOTHING
        macro = self.macros.get(node.node.name)
        given = [self.of(argument, bound) for argument in node.args]
        if macro is None:
            if node.node.name in ("dict", "namespace"):
                return self._any([each.value for each in node.kwargs], bound)
            return NOTHING
        named = {each.key: self.of(each.value, bound) for each in node.kwargs}
        return self._macro(macro, given, named)

    def _macro(self, macro: nodes.Macro, given: list[Reaching], named: Bound) -> Reaching:
        inner = dict(self.top)
        defaults = [None] * (len(macro.args) - len(macro.defaults)) + list(macro.defaults)
        for i, (argument, default) in enumerate(zip(macro.args, defaults, strict=True)):
            held = given[i] if i < len(given) else named.get(argument.name)
            inner[argument.name] = self.of(default, inner) if held is None else held
        inner["varargs"] = NOTHING.union(*given[len(macro.args) :])
        inner["kwargs"] = NOTHING
        key = (macro.name, tuple(inner[name] for name in (*(each.name for each in macro.args), "varargs")))
        if key not in self.called:
            self.called[key] = NOTHING  # a macro that calls itself hands on nothing more
            self.called[key] = self._all(macro.body, inner)
        return self.called[key]

    def _shown(self, name: str, node: nodes.Call | nodes.Filter, bound: Bound) -> Reaching:
        if name == "format":
            return self._any([*node.args, *(each.value for each in node.kwargs)], bound)
        at = SHOWN_ARGUMENTS.get(name)
        return self.of(node.args[at], bound) if at is not None and at < len(node.args) else NOTHING

    def _if(self, node: nodes.If, bound: Bound) -> Iterator[tuple[Reaching, int]]:
        after: list[Bound] = []
        for body in (node.body, *(each.body for each in node.elif_), node.else_):
            after.append(dict(bound))
            yield from self.printed(body, after[-1])
        for name in {name for each in after for name in each}:
            bound[name] = NOTHING.union(*(each.get(name, frozenset({name})) for each in after))

    def _bind(self, target: nodes.Node, value: nodes.Node, bound: Bound) -> None:
        if isinstance(target, nodes.Tuple):
            same = isinstance(value, nodes.Tuple | nodes.List) and len(value.items) == len(target.items)
            parts = value.items if same and isinstance(value, nodes.Tuple | nodes.List) else [value] * len(target.items)
            held = [self.of(part, bound) for part in parts]
            for each, names in zip(target.items, held, strict=True):
                self._name(each, names, bound)
            return
        self._name(target, self.of(value, bound), bound)
        if isinstance(target, nodes.Name) and isinstance(value, nodes.Call):  # namespace(a=…)
            for keyword in (
                value.kwargs if isinstance(value.node, nodes.Name) and value.node.name == "namespace" else ()
            ):
                bound[f"{target.name}.{keyword.key}"] = self.of(keyword.value, bound)

    def _each(self, target: nodes.Node, values: nodes.Node, bound: Bound) -> None:
        """Bind what a loop goes over."""
        items = values.items if isinstance(values, nodes.List | nodes.Tuple) else [values]
        outer = dict(bound)
        found: list[Bound] = []
        for item in items:
            found.append(dict(outer))
            self._bind(target, item, found[-1])
        for name in {name for each in found for name in each}:
            bound[name] = NOTHING.union(*(each.get(name, NOTHING) for each in found))

    def _name(self, target: nodes.Node, names: Reaching, bound: Bound) -> None:
        if isinstance(target, nodes.Name):
            bound[target.name] = names
        elif isinstance(target, nodes.NSRef):  # set anywhere, it may hold what it was given before
            key = f"{target.name}.{target.attr}"
            bound[key] = bound.get(key, NOTHING) | names
        elif isinstance(target, nodes.Tuple):
            for each in target.items:
                self._name(each, names, bound)

    def _any(self, parts: Iterable[nodes.Node | None], bound: Bound) -> Reaching:
        return NOTHING.union(*(self.of(part, bound) for part in parts))

    def _all(self, body: Iterable[nodes.Node], bound: Bound) -> Reaching:
        return NOTHING.union(*(names for names, _ in self.printed(body, bound)))
