"""The sandbox that templates run in: strict about names, closed to Python, bounded in work, deterministic.

Beside Jinja's own immutable sandbox: attributes are an allow-list by type, filters are an allow-list, and the parsed
template is rewritten so that loops, concatenations and assignments are charged to the row's `Budget`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, Undefined, nodes, pass_context
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace
from jinja2.visitor import NodeTransformer

from instructkit.templates.draws import Draws
from instructkit.templates.filters import filters, text
from instructkit.templates.limits import MAX_DEPTH, STEP_COST, Budget, WorkExceeded, weight
from instructkit.templates.phrasings import Wording, splice
from instructkit.templates.toolcalls import ToolCalls

TEXT_METHODS = (
    "capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper",
    "join", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex",
    "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
    "upper", "zfill",
)  # fmt: skip
ATTRIBUTES: dict[type, frozenset[str]] = {
    str: frozenset(TEXT_METHODS),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    # groupby gives named tuples; Jinja's own types keep their public names.
}
JINJA_TYPES = (LoopContext, Macro, TemplateModule, Namespace, Cycler, Joiner)


class Own(str):
    """White space, and what follows it, that the template's author wrote: no data. `str()` of it stays what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


PLAIN = frozenset({str, int, float, bool, Own})
OPERATORS = frozenset({"+", "*", "**", "%"})


class _Charge(NodeTransformer):
    """`for x in y` → `for x in y | _steps`; `a ~ b` → `[a, b] | _concat`; `set x = y` → `set x = y | _weigh`.

    And the layout before a message's first word goes: `{% block user %} Hello` → `{% block user %}Hello`.
    """

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

    def visit_With(self, node: nodes.With) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.values = [self._wrap(value, "_weigh") for value in node.values]
        return node


class Sandbox(ImmutableSandboxedEnvironment):
    """One environment for one template and what it imports; it serves one row at a time."""

    intercepted_binops = OPERATORS

    def __init__(
        self,
        load: Callable[[str], str | None] | None = None,
        *,
        wordings: Mapping[str, Sequence[Wording]] | None = None,
        formats: Sequence[str] = (),
    ) -> None:
        """`load` gives a file's text by name, `wordings` its phrasings; `formats` are those to draw options from."""
        self.budget, self.draws, self.wordings = Budget(), Draws(formats), wordings or {}
        self.tool_calls = ToolCalls()
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
            cache_size=-1,
            finalize=self._printed,
            loader=FunctionLoader(load) if load else None,
        )
        budget = self.budget
        self.globals = {
            "range": budget.range, "dict": dict, "namespace": Namespace, "cycler": Cycler, "joiner": Joiner,
            "tool_call": lambda name, arguments=None: self.tool_calls.call(name, arguments),
        }  # fmt: skip
        self.concat = budget.join  # type: ignore[method-assign]

        @pass_context
        def steps(_context: Any, items: Iterable[Any]) -> Iterable[Any]:
            return items if isinstance(items, Undefined) else budget.steps(items)

        @pass_context
        def concat(_context: Any, parts: list[Any]) -> str:
            return budget.join([self._text(part) for part in parts])

        @pass_context
        def weigh(_context: Any, value: Any) -> Any:
            return budget.weigh(value)

        @pass_context  # else it would be run once, at compile time, and be plain text again
        def own(_context: Any, written: str) -> str:
            return Own(written)

        ours = {"_steps": steps, "_concat": concat, "_weigh": weigh, "_own": own}
        self.filters = {**filters(budget, self.draws), **ours}

    def _text(self, value: Any) -> str:
        return value if type(value) is str else text(self.budget.weigh(value))

    def _printed(self, value: Any) -> Any:
        """Each printed value: a collection is charged before it becomes text, and none is refused."""
        if type(value) in PLAIN:
            return value
        if value is None:
            return text(value)
        return self.budget.weigh(value)

    def read(self, source: str, name: str) -> nodes.Template:
        """The template as written, parsed, its phrasings set in. Raises TemplateSyntaxError."""
        tree = super()._parse(source, name, name)
        if name in self.wordings:
            splice(tree, self.wordings[name], lambda text: super(Sandbox, self)._parse(text, name, name))
        return tree

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Charge().visit(self.read(source, name or ""))
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is known to be harmless: an allow-list for data, public names for Jinja's own objects."""
        if isinstance(obj, JINJA_TYPES):
            return not attr.startswith("_")
        if isinstance(obj, tuple) and attr in getattr(obj, "_fields", ()):
            return True
        return attr in ATTRIBUTES.get(type(obj), ()) or (attr in ATTRIBUTES[tuple] and isinstance(obj, tuple))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` walks attributes and pads without bound: refused like any other unlisted method."""
        return None

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The operators that can multiply."""
        return self.budget.operate(operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Every call that a template makes, charged and bounded in depth."""
        budget = __self.budget
        owner = getattr(__obj, "__self__", None)
        budget.spend(STEP_COST + (len(owner) if isinstance(owner, str) else 0))
        if isinstance(owner, str):
            args = __self._guarded(owner, __obj.__name__, args)
        for value in (*args, *(v for k, v in kwargs.items() if k not in ("_block_vars", "_loop_vars"))):
            if not isinstance(value, Undefined):
                budget.weigh(value)
        if budget.depth >= MAX_DEPTH:
            raise WorkExceeded(f"more than {MAX_DEPTH} calls inside one another: does a macro call itself without end?")
        budget.depth += 1
        try:
            return super().call(__context, __obj, *args, **kwargs)
        finally:
            budget.depth -= 1

    def _guarded(self, owner: str, method: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if method in ("center", "ljust", "rjust", "zfill") and args and isinstance(args[0], int):
            self.budget.spend(args[0])
        elif method == "replace" and len(args) > 1 and isinstance(args[0], str):
            self.budget.spend(owner.count(args[0]) * weight(args[1]))
        elif method == "join" and args:
            items = list(args[0])
            self.budget.spend(sum(map(weight, items)) + len(owner) * len(items))
            args = (items, *args[1:])
        return args
