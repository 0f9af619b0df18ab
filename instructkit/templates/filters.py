"""The filters a template may use: Jinja's own that neither draw at random nor escape for HTML; dear ones guarded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import Environment, Undefined, pass_context, pass_environment
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.filters import make_attrgetter

from instructkit.templates.draws import Draws
from instructkit.templates.limits import (
    ITEM_COST,
    MAX_BITS,
    MAX_DEPTH,
    MAX_RANGE,
    Budget,
    WorkExceeded,
    check_printable,
    weight,
)
from instructkit.templates.options import option_filters

AS_JINJA = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "items", "last", "length",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "string",
    "title", "truncate", "unique", "upper", "wordcount",
)  # fmt: skip

OF_TEXT = frozenset({
    "capitalize", "center", "format", "indent", "lower", "replace", "string", "title", "trim", "truncate", "upper",
    "wordcount", "wordwrap",
})  # fmt: skip
"""They would make text of whatever they are given."""
ORDERING = frozenset({"dictsort", "groupby", "max", "min", "sort", "unique"})
"""They read each item again and again, and keep a copy in small letters."""
OF_ATTRIBUTES = frozenset({"groupby", "max", "min", "rejectattr", "selectattr", "sort", "sum", "unique"})

DRAW_COST = 500
"""What drawing the place of an item costs."""

INSTEAD = {
    "random": "use `choice`, which draws by seed and row",
    "safe": "messages are not escaped, so nothing needs it",
    "escape": "messages are text, not HTML",
    "e": "messages are text, not HTML",
    "pprint": "use `tojson`",
    "attr": "write value.name",
}


def filters(budget: Budget, draws: Draws) -> dict[str, Callable[..., Any]]:
    """All filters by name, charging the given budget and drawing from the given draws."""

    def guard(at_most: int, number: Any, what: str) -> None:
        if isinstance(number, int) and abs(number) > at_most:
            raise WorkExceeded(f"{what} {number:,}; at most {at_most:,}")

    def center(value: str, width: int = 80) -> str:
        guard(MAX_RANGE, width, "center: width")
        budget.spend(width)
        return str(value).center(width)

    def indent(value: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        # Jinja's own also breaks lines at form feeds and Unicode separators, and so changes the text.
        guard(MAX_RANGE, width, "indent: width")
        pad = width if isinstance(width, str) else " " * width
        lines = str(value).split("\n")
        budget.spend(len(value) + len(pad) * len(lines))
        return "\n".join(pad + line if (blank or line) and (first or i) else line for i, line in enumerate(lines))

    @pass_environment
    def join(environment: Environment, value: Iterable[Any], d: str = "", attribute: Any = None) -> str:
        items = list(value)
        if attribute is not None:
            items = list(map(make_attrgetter(environment, attribute), items))
        for item in items:
            budget.weigh(item)
        d = str(d)
        texts = [text(item) for item in items]
        budget.spend(sum(map(len, texts)) + len(d) * len(texts))
        return d.join(texts)

    def replace(value: str, old: str, new: str, count: int | None = None) -> str:
        value, new = str(value), str(new)
        budget.search(value)
        budget.spend(value.count(old) * len(new))
        return value.replace(old, new, -1 if count is None else count)

    def format_(value: str, *args: Any, **named: Any) -> str:
        budget.spend_format(value, named or args)
        return str(value) % (named or args)

    def batch(value: Iterable[Any], linecount: int, fill_with: Any = None) -> list[Any]:
        guard(MAX_RANGE, linecount, "batch: size")
        budget.spend(ITEM_COST * linecount)
        return list(DEFAULT_FILTERS["batch"](value, linecount, fill_with))

    def slice_(value: Iterable[Any], slices: int, fill_with: Any = None) -> list[Any]:
        guard(MAX_RANGE, slices, "slice: number")
        budget.spend(ITEM_COST * slices)
        return list(DEFAULT_FILTERS["slice"](value, slices, fill_with))

    def round_(value: float, precision: int = 0, method: Any = "common") -> Any:
        guard(100, precision, "round: precision")
        return DEFAULT_FILTERS["round"](value, precision, method)

    def trim(value: str, chars: str | None = None) -> str:
        budget.spend(len(value) * len(chars or " "))
        return value.strip(chars)

    def int_(value: Any, default: int = 0, base: int = 10) -> int:
        number: int = DEFAULT_FILTERS["int"](value, default, base)
        if number.bit_length() > MAX_BITS:
            raise WorkExceeded(f"a number of {number.bit_length():,} bits; at most {MAX_BITS:,} are allowed")
        return number

    def shuffled(function: Callable[..., Any]) -> Callable[..., Any]:
        @pass_context
        def run(context: Any, items: Iterable[Any], *args: Any) -> Any:
            pool = list(items)
            budget.spend(DRAW_COST * len(pool))
            return function(context, pool, *args)

        return run

    @pass_environment
    def sum_(environment: Environment, value: Iterable[Any], attribute: Any = None, start: float = 0) -> float:
        items = list(value)
        if attribute is not None:
            items = list(map(make_attrgetter(environment, attribute), items))
        if not all(isinstance(item, (int, float)) for item in [*items, start]):
            raise TypeError("sum adds numbers only")
        return sum(items, start)

    def tojson(value: Any, indent: int | None = None) -> str:
        # Plain JSON: Jinja's own escapes <, >, & and ' for HTML.
        guard(16, indent, "tojson: indent")
        budget.weigh(value)
        return json.dumps(value, ensure_ascii=False, indent=indent)

    @pass_environment
    def wordwrap(
        environment: Environment,
        value: str,
        width: int = 79,
        break_long_words: bool = True,
        wrapstring: str | None = None,
        break_on_hyphens: bool = True,
    ) -> str:
        if len(wrapstring or "") > 10:
            raise WorkExceeded("wordwrap: a wrapstring of more than 10 characters")
        budget.spend(sum(len(word) ** 2 for word in value.split()))  # what textwrap may need for a word
        wrap: Callable[..., str] = DEFAULT_FILTERS["wordwrap"]
        return wrap(environment, value, width, break_long_words, wrapstring, break_on_hyphens)

    ours: dict[str, Callable[..., Any]] = {
        "batch": batch, "center": center, "format": format_, "indent": indent, "join": join, "replace": replace,
        "round": round_, "slice": slice_, "sum": sum_, "tojson": tojson, "wordwrap": wordwrap,
        "int": int_, "trim": trim,
        "choice": draws.choice, "sample": shuffled(draws.sample), "shuffle": shuffled(draws.shuffle),
        **option_filters(budget, draws),
    }  # fmt: skip
    everything = {**{name: DEFAULT_FILTERS[name] for name in AS_JINJA}, **ours}
    return {name: _charged(name, function, budget) for name, function in everything.items()}


def text(value: Any) -> str:
    """A value as it is printed. Raises TypeError for what has no place in a message: none, functions, generators."""
    check_printable(value)
    return str(value)


def _charged(name: str, function: Callable[..., Any], budget: Budget) -> Callable[..., Any]:
    """The filter, charged for its value before it runs."""

    def prepared(value: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if name in OF_ATTRIBUTES:
            for path in (*args, *named.values()):
                if isinstance(path, str) and path.count(".") > MAX_DEPTH:
                    raise WorkExceeded(f"{name}: an attribute of more than {MAX_DEPTH} steps")
        if name in OF_TEXT and type(value) is not str:
            return text(budget.weigh(value))
        if name in ORDERING and not isinstance(value, (dict, Undefined)):
            value = list(value)
        if name in ORDERING:
            before = budget.spent
            budget.weigh(value)
            budget.spend((budget.spent - before) * len(value).bit_length())
        else:
            budget.spend(weight(value))
        return value

    if getattr(function, "jinja_pass_arg", None) is None:

        def plain(value: Any, *args: Any, **named: Any) -> Any:
            return function(prepared(value, args, named), *args, **named)

        return plain

    def passed(first: Any, value: Any, *args: Any, **named: Any) -> Any:
        return function(first, prepared(value, args, named), *args, **named)

    passed.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
    return passed
