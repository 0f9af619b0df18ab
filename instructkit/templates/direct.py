"""Templates that only print: a function of Python for all rows, in place of Jinja's for each.

{% block user %}{{ phrasing }}{% endblock %}            for number, text, title in zip(…):
{% block assistant %}{{ title }}{% endblock %}    ▶         user = f"{…}{text}" if number == 0 else …
                                                            assistant = title

It is made of the syntax tree that Jinja compiles, and only where every part of it is text, an input that is printed as
it is, or a condition on inputs: nothing that loops, calls or multiplies. It gives a row's messages only where there is
nothing to decide about the row: values are there and plain, messages are neither empty nor too long and begin with a
word. Every other row it leaves to `Compiled.render`, so refusals, limits and the layout of messages have one home.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import nodes

from instructkit.templates.frontmatter import fits
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS, MAX_WORK
from instructkit.templates.phrasings import NUMBER

Used = dict[str, None]
"""Names of columns that the function takes, in order: `value0` where an input is asked for, `text0` where printed."""


class Given(NamedTuple):
    """An input as the front matter declares it."""

    name: str
    optional: bool
    default: Any
    type: Any
    empty: bool


class Direct:
    """The function of one template."""

    def __init__(self, source: str, inputs: Sequence[Given], used: Used, turns: int) -> None:
        """Raises SyntaxError, MemoryError or RecursionError where the source is nested too deeply for Python."""
        self._inputs, self._used, self._turns = inputs, used, turns
        scope: dict[str, Any] = {"nothing": (None,) * turns}
        exec(compile(source, "<direct>", "exec"), scope)
        self._rows: Callable[..., list[str | None]] = scope["rows"]

    def render(self, columns: Mapping[str, list[Any]], numbers: Sequence[int]) -> list[str | None]:
        """The contents of all rows' messages, one after the other; None for those of a row left to `Compiled.render`.

        `columns` holds a list for each input, `numbers` which phrasing each row has (0 where there are none).
        """
        odd: set[int] = set()
        given: dict[str, Sequence[Any]] = {}
        for i, each in enumerate(self._inputs):
            given[f"value{i}"], given[f"text{i}"] = _prepared(columns[each.name], each, odd)
        made = self._rows(numbers, *(given[name] for name in self._used))
        for i in odd:
            made[i * self._turns : (i + 1) * self._turns] = [None] * self._turns
        return made


def is_missing(value: Any, empty: bool) -> bool:
    """Whether a document lacks a value; `empty`: one that is there but empty counts as there."""
    if value is None or empty:
        return value is None
    return not value or value.isspace() if type(value) is str else value in ([], {})


def _prepared(values: list[Any], given: Given, odd: set[int]) -> tuple[list[Any], Sequence[str | None]]:
    """(values with defaults; texts to print, None for what is no plain value); rows to be refused go to `odd`."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and (given.type is None or fits(values[0], given.type)):
        if kinds == {str} and all(values) and not any(map(str.isspace, values)):
            return values, values
        if kinds == {int}:
            return values, list(map(str, values))
    values = list(values)
    texts: list[str | None] = [None] * len(values)
    for i, value in enumerate(values):
        if is_missing(value, given.empty):
            values[i] = value = given.default
            if not given.optional:
                odd.add(i)
        elif given.type is not None and not fits(value, given.type):
            odd.add(i)
        if type(value) in (str, int, float, bool):
            texts[i] = str(value)
    return values, texts


def direct(tree: nodes.Template, turns: Sequence[str], inputs: Sequence[Given]) -> Direct | None:
    """The function of a template whose top level is blocks alone; None where it does more than print."""
    if len(turns) * MAX_MESSAGE_CHARACTERS > MAX_WORK:
        return None  # so many messages may cost more than a row may, although each is short enough
    blocks = {block.name: block for block in tree.find_all(nodes.Block)}
    expressions = _Expressions({given.name: i for i, given in enumerate(inputs)})
    try:
        messages = [expressions.text(blocks[turn].body) for turn in turns]
    except _MoreThanPrintingError:
        return None
    try:
        return Direct(_source(messages, expressions.used), inputs, expressions.used, len(turns))
    except (SyntaxError, MemoryError, RecursionError):
        return None


class _MoreThanPrintingError(Exception):
    """The template has a part that is more than printing."""


ROWS = """\
def rows(numbers, {columns}):
    out = []
    add = out.append
    for number, {names}in zip(numbers, {columns}strict=True):
        try:
{messages}
        except (TypeError, AttributeError, ValueError):
            out += nothing
            continue
{kept}
    return out
"""
MESSAGE = """\
            {m} = {text}
            if len({m}) > {limit}:
                raise ValueError
            {m} = {m}.rstrip()
            if not {m} or {m}[0].isspace():
                raise ValueError
            if not {m}.isascii():
                {m}.encode()"""
"""What cannot be printed is None among the texts, so joining it raises a TypeError; half of a surrogate pair has no
UTF-8, which is a ValueError."""


def _source(messages: Sequence[str], used: Used) -> str:
    names = [f"m{i}" for i in range(len(messages))]
    return ROWS.format(
        columns="".join(f"{name}s, " for name in used),
        names="".join(f"{name}, " for name in used),
        messages="\n".join(
            MESSAGE.format(m=name, text=text, limit=MAX_MESSAGE_CHARACTERS)
            for name, text in zip(names, messages, strict=True)
        ),
        kept="\n".join(f"        add({name})" for name in names),
    )


class _Expressions:
    """Expressions of Python for parts of a template, of our own names and literals: no word of its author is run."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        """Number of each input."""
        self.used: Used = {}

    def text(self, body: Sequence[nodes.Node]) -> str:
        """For what a body prints."""
        pieces: list[str] = []
        for node in body:
            if isinstance(node, nodes.Output):
                pieces += map(self._printed, node.nodes)
            elif isinstance(node, nodes.If):
                branches = (f"{self.text(b.body)} if {self._test(b.test)} else " for b in (node, *node.elif_))
                pieces.append(f"({''.join(branches)}{self.text(node.else_)})")
            else:
                raise _MoreThanPrintingError
        return f'"".join(({"".join(f"{piece}, " for piece in pieces)}))' if len(pieces) != 1 else pieces[0]

    def _printed(self, part: nodes.Node) -> str:
        if isinstance(part, nodes.Filter) and part.name == "_own":
            part = part.node or part
        if isinstance(part, nodes.TemplateData):
            return repr(str(part.data))
        if isinstance(part, nodes.Const) and type(part.value) is str:
            return repr(part.value)
        return self._input("text", part)

    def _test(self, test: nodes.Node) -> str:
        """A condition: inputs, comparisons of one with a text or number for equality, `not`, `and`, `or`."""
        if isinstance(test, nodes.Name) and test.name == NUMBER:
            return "number"
        if isinstance(test, nodes.Const) and type(test.value) in (str, int, bool):
            return repr(test.value)
        if isinstance(test, nodes.Not):
            return f"(not {self._test(test.node)})"
        if isinstance(test, nodes.And | nodes.Or):
            word = "and" if isinstance(test, nodes.And) else "or"
            return f"({self._test(test.left)} {word} {self._test(test.right)})"
        if isinstance(test, nodes.Compare) and len(test.ops) == 1 and test.ops[0].op in ("eq", "ne"):
            sign = "==" if test.ops[0].op == "eq" else "!="
            return f"({self._test(test.expr)} {sign} {self._test(test.ops[0].expr)})"
        return self._input("value", test)

    def _input(self, kind: str, node: nodes.Node) -> str:
        if not isinstance(node, nodes.Name) or node.name not in self._places:
            raise _MoreThanPrintingError
        name = f"{kind}{self._places[node.name]}"
        self.used[name] = None
        return name
