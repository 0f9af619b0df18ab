"""Chat templates compiled: the environment that transformers gives them, but for the date, which stands still.

Templates come from strangers, so they run in the immutable sandbox, and see plain data only. A template that writes
today's date (`strftime_now`) would make other tokens each day: caches would miss and a training that goes on would
train on other text. So it is always `TODAY`; a server that uses the model writes its own date.

Source of the extensions, filters and globals: transformers 5.23, `utils/chat_template_utils.py`; a test compares the
text and the marks of every template with what transformers writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

TODAY = date(2024, 7, 26)
"""What every template takes for today: the date that Llama 3.1's writes where it is told none."""

Marks = list[tuple[int, int]]
"""Ranges of the text inside `{% generation %}`."""


class Marker(Extension):
    """`{% generation %} … {% endgeneration %}`: what the model writes."""

    tags = {"generation"}  # noqa: RUF012

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.written: list[str] = []
        self.marks: Marks = []
        environment.marker = self

    def parse(self, parser: Parser) -> nodes.Node:
        """The block as a call of `_mark` around its body."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        text = caller()
        start = sum(map(len, self.written))
        self.marks.append((start, start + len(text)))
        return text


class Unmarked(Extension):
    """The same block as no more than its body, which costs nothing."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        """The body, in a scope of its own as that of a call has."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


@lru_cache(maxsize=64)
def compiled(template: str, marked: bool = True) -> Callable[[Mapping[str, Any]], tuple[str, Marks]]:
    """The template as a function of its variables: the text, and what of it the template marks.

    `marked` False: no marks, a little faster. The function raises jinja2.TemplateError, and whatever the template's own
    code trips over. Not for two threads at once. Raises jinja2.TemplateSyntaxError.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Marker if marked else Unmarked, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals.update(raise_exception=_refuse, strftime_now=TODAY.strftime, dict=_Dict(), namespace=_Namespace)
    program = environment.from_string(template)
    context = program.new_context()
    beginning = dict(context.parent)
    marker: Marker | None = getattr(environment, "marker", None)
    written: list[str] = marker.written if marker is not None else []
    marks: Marks = marker.marks if marker is not None else []

    def render(variables: Mapping[str, Any]) -> tuple[str, Marks]:
        # A context of one's own for each text would take a third of the time; it is emptied instead of made anew.
        context.parent.clear()
        context.parent.update(beginning)
        context.parent.update(variables)
        context.vars.clear()
        context.exported_vars.clear()
        written.clear()
        marks.clear()
        try:
            for part in program.root_render_func(context):
                written.append(part)
        except Exception:
            environment.handle_exception()  # raises it again, with the template's own lines
        return "".join(written), marks.copy()

    return render


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own escapes HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Dict:
    """`dict` without the type's own attributes, which lead out of the sandbox."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """`namespace` that stores no name with an underscore in front, for the same reason."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, rest = args[0], args[1:]
        values = dict(*rest, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a chat template stores {name!r}; names with an underscore in front are not allowed")
