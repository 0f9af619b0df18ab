"""The sandbox that templates run in: strict about names, closed to Python, bounded in work, deterministic.

Beside Jinja's own immutable sandbox: attributes are an allow-list by type, filters are an allow-list, and the parsed
template is rewritten so that loops, concatenations and assignments are charged to the row's `Budget`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, Undefined, nodes, pass_context
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from instructkit.templates.charging import Own, charge
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
SLOW_WITH = ("lstrip", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "strip")
"""May compare each character of the text with each of the argument."""
SEARCHING = ("count", "find", "index", "partition", "replace", "split")
ATTRIBUTES: dict[type, frozenset[str]] = {
    str: frozenset(TEXT_METHODS),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    # groupby gives named tuples; Jinja's own types keep their public names.
}
JINJA_TYPES = (LoopContext, Macro, TemplateModule, Namespace, Cycler, Joiner)


PLAIN = frozenset({str, int, float, bool, Own})
COMPARING = (
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne",
)  # fmt: skip
OPERATORS = frozenset({"+", "*", "**", "%"})


def _at_run_time(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A filter that is not computed once, when the template is compiled, though it is given a constant."""

    @pass_context
    def run(_context: Any, value: Any) -> Any:
        return function(value)

    return run


def _charged_test(test: Any, budget: Budget) -> Callable[..., Any]:
    def run(value: Any, *others: Any) -> Any:
        for part in (value, *others):
            budget.search(part)
        return test(value, *others)

    return run


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

        def steps(items: Iterable[Any]) -> Iterable[Any]:
            return items if isinstance(items, Undefined) else budget.steps(items)

        def concat(parts: list[Any]) -> str:
            return budget.join([self._text(part) for part in parts])

        def size(value: Any) -> Any:
            budget.spend(weight(value))
            return value

        ours: dict[str, Callable[[Any], Any]] = {
            "_steps": steps, "_concat": concat, "_weigh": budget.weigh, "_measure": budget.measure,
            "_search": budget.search, "_size": size, "_own": Own,
        }  # fmt: skip
        self.filters = {**filters(budget, self.draws), **{name: _at_run_time(each) for name, each in ours.items()}}
        self.tests = dict(self.tests)
        for name in COMPARING:
            self.tests[name] = _charged_test(self.tests[name], budget)

    def _text(self, value: Any) -> str:
        return value if type(value) is str else text(self.budget.weigh(value))

    def _printed(self, value: Any) -> Any:
        """Each printed value: a collection is charged before it becomes text, none and functions are refused."""
        if type(value) in PLAIN:
            return value
        return text(self.budget.weigh(value))

    def read(self, source: str, name: str) -> nodes.Template:
        """The template as written, parsed, its phrasings set in. Raises TemplateSyntaxError."""
        tree = super()._parse(source, name, name)
        if name in self.wordings:
            splice(tree, self.wordings[name], lambda text: super(Sandbox, self)._parse(text, name, name))
        return tree

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return charge(self.read(source, name or ""))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is known to be harmless: an allow-list for data, public names for Jinja's own objects."""
        if isinstance(obj, JINJA_TYPES):
            return not attr.startswith("_")
        if isinstance(obj, tuple) and attr in getattr(obj, "_fields", ()):
            return True
        return attr in ATTRIBUTES.get(type(obj), ()) or (attr in ATTRIBUTES[tuple] and isinstance(obj, tuple))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """What stands for an attribute that may not be read: using it is the error."""
        kind = type(obj).__name__
        readable = ", ".join(sorted(ATTRIBUTES.get(type(obj), ()))) or "none"
        message = f"'{attribute}' of a {kind} cannot be read in a template; of a {kind} there can: {readable}"
        return self.undefined(message, name=attribute, obj=obj, exc=SecurityError)

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
        first = args[0] if args else None
        if method in ("center", "ljust", "rjust", "zfill") and isinstance(first, int):
            self.budget.spend(first)
        elif method in SLOW_WITH and isinstance(first, str):
            self.budget.spend(len(owner) * len(first))
        elif method in SEARCHING and isinstance(first, str):
            self.budget.search(owner)
            if method == "replace" and len(args) > 1:
                self.budget.spend(owner.count(first) * weight(args[1]))
        elif method == "join" and args:
            items = list(args[0])
            self.budget.spend(sum(map(weight, items)) + len(owner) * len(items))
            args = (items, *args[1:])
        return args
