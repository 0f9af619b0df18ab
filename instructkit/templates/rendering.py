"""Rendering rows: a compiled template, one context for all rows, a message for each block.

Jinja builds a new context for every `render`; here one context is kept and only the row in it changes, about six
times as fast. It is emptied before each row, thrown away after an error, and files whose variables could remember
something are run anew, so that a row sees nothing of the row before: the tests compare with plain rendering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import orjson
from jinja2.runtime import Context

from instructkit.hashing import canonical_json
from instructkit.templates.charging import Own
from instructkit.templates.check import role_of
from instructkit.templates.direct import Direct, Given, direct, is_missing
from instructkit.templates.draws import drawn_phrasing
from instructkit.templates.environment import Sandbox
from instructkit.templates.frontmatter import fits
from instructkit.templates.head import read_head
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS, TooLong
from instructkit.templates.options import NotAChoiceError
from instructkit.templates.phrasings import NUMBER
from instructkit.templates.template import Template, from_sources
from instructkit.templates.toolcalls import BadToolCallError, Tools
from instructkit.templates.turns import Refusal, Rendered, Turn, shortened
from instructkit.text.conversation import LEARNED

OF_THE_DOCUMENT = ("text", "source", "language", "id")
"""Inputs that are the document's own; they stand before fields of the same name."""


class Compiled:
    """A template ready for rows. Serves one row at a time: not for several threads at once."""

    def __init__(self, template: Template) -> None:
        self.template = template
        front = template.front
        self.declared = list(front.declared().items())
        self._inputs = [(name, given.optional, given.default, given.type, given.empty) for name, given in self.declared]
        self._phrasings = list(front.wordings())
        self._choices = front.choices if isinstance(front.choices, str) else None
        """The input that holds the choices."""
        head = read_head(template.sources[template.file], template.file)
        texts = {**template.sources, template.file: head.body}
        wordings = {template.file: head.wordings} if head.wordings else {}
        self._sandbox = Sandbox(texts.get, wordings=wordings, formats=template.formats)
        self._budget = self._sandbox.budget
        self._jinja = self._sandbox.get_template(template.file)
        self._imported = [self._sandbox.get_template(name) for name in template.stateful_imports]
        self._globals = dict(self._sandbox.globals)
        self._tools: Tools | None = None
        if front.tools is not None:
            self._tools = Tools(front.tools, self._sandbox.budget.spend)
        if isinstance(front.choices, list):
            self._globals["choices"] = front.choices
        self._rendered: list[Turn] = []
        self._blocks = [(role_of(turn), front.weights.get(turn), self._jinja.blocks[turn]) for turn in template.turns]
        self._answered = front.answer == "data"
        self._body = head.body
        self._empty_context()

    def render(
        self,
        values: dict[str, Any],
        example_id: str,
        seed: int,
        phrasing: str | None = None,
        options: str | None = None,
    ) -> Rendered | Refusal:
        """The turns of a row with these variables, or why there are none.

        `values` need not hold every input: what is missing or empty is a refusal, or the input's default. `phrasing`
        and `options` name the wording and the format of answer options, which are drawn where they are None.
        """
        row = dict(self._globals)
        for name, optional, default, kind, empty in self._inputs:
            value = values.get(name)
            if is_missing(value, empty):
                if not optional:
                    detail = f"the template needs '{name}', which is missing{'' if empty else ' or empty'}"
                    return Refusal("missing_input", name, None, detail)
                value = default
            elif kind is not None and not fits(value, kind):
                detail = f"'{name}' must be of type {kind}, is {type(value).__name__}"
                return Refusal("wrong_type", name, kind, detail)
            row[name] = value
        draws = self._sandbox.draws
        self._budget.reset()
        draws.begin(seed, example_id, options)
        if self._choices is not None and not self._has_choices(row):
            return Refusal("wrong_type", self._choices, "list", f"'{self._choices}' must be a list of texts")
        if self._phrasings:
            number = draws.phrasing(len(self._phrasings)) if phrasing is None else self._phrasings.index(phrasing)
            phrasing = row["phrasing_name"] = self._phrasings[number]
            row[NUMBER] = number
        tools = None
        try:
            if self._tools is not None:
                toolbox = self._tools.of(row)
                if isinstance(toolbox, Refusal):
                    return toolbox
                tools = toolbox.json if toolbox else None
                self._sandbox.tool_calls.begin(toolbox)
            turns = self._turns(row)
        except MemoryError:
            raise
        except Exception as error:
            refusal = self._refusal(error)
            self._empty_context()
            return refusal
        return self._fault_of(turns) or Rendered(turns, tools, self._variant(phrasing, draws.drawn_format))

    def _refusal(self, error: Exception) -> Refusal:
        """Why a row was not rendered, by what was raised."""
        place = self._place(error)
        if isinstance(error, TooLong):
            limit = str(MAX_MESSAGE_CHARACTERS)
            way_out = "show less of the row, or cut the document into parts"
            detail = f"{place}: a message of {error.characters:,} characters; {way_out}"
            return Refusal("output_too_long", str(error.characters), limit, detail)
        if isinstance(error, NotAChoiceError):
            return Refusal("not_a_choice", shortened(error.answer), None, f"{place}: {error}")
        if isinstance(error, BadToolCallError):
            return Refusal("bad_tool_call", shortened(error.tool), None, f"{place}: {shortened(str(error))}")
        return Refusal("template_error", place, None, f"{place}: {type(error).__name__}: {shortened(str(error))}")

    @cached_property
    def direct(self) -> Direct | None:
        """The quicker way for rows that need no decision; None where the template does more than print."""
        roles = [role for role, _, _ in self._blocks]
        weighed = any(weight is not None for _, weight, _ in self._blocks)
        if not self.template.blocks_only or self._choices or self._tools is not None or weighed:
            return None
        if self._answered and not set(roles) & set(LEARNED):
            return None
        tree = self._sandbox._parse(self._body, self.template.file, self.template.file)
        return direct(tree, self.template.turns, [Given(*each) for each in self._inputs])

    @property
    def roles(self) -> list[str]:
        """Of the messages, where nothing is left out."""
        return [role for role, _, _ in self._blocks]

    def phrasings_of(
        self, rows: int, ids: Callable[[], Sequence[str]], seed: int, phrasing: str | None
    ) -> tuple[Sequence[int], list[str | None]]:
        """(the number of each row's phrasing, the variant that says so); `ids` gives the examples' ids."""
        if self._phrasings and phrasing is None:
            numbers = [drawn_phrasing(seed, each, len(self._phrasings)) for each in ids()]
        else:
            numbers = [self._phrasings.index(phrasing) if self._phrasings and phrasing is not None else 0] * rows
        names = [self._variant(name, None) for name in self._phrasings] or [None]
        return numbers, [names[number] for number in numbers]

    def _has_choices(self, row: dict[str, Any]) -> bool:
        """Sets the variable `choices`; whether it is a list of texts, or missing where it may be."""
        found = row["choices"] = row[self._choices or ""]
        return found is None or (isinstance(found, list) and all(type(text) is str and text for text in found))

    def _variant(self, phrasing: str | None, options: str | None) -> str | None:
        if not self._phrasings:
            return f"options={options}" if options else None
        return f"phrasing={phrasing},options={options}" if options else f"phrasing={phrasing}"

    def _fault_of(self, turns: list[Turn]) -> Refusal | None:
        """Why these turns are no conversation to learn from."""
        if not turns:
            return Refusal("not_applicable", None, None, "the template's own conditions leave this row out")
        answered = False
        for turn in turns:
            role, content = turn[0], turn[1]
            answered = answered or role in LEARNED
            if not content and turn.tool_calls is None:
                rule = "empty_answer" if role == "assistant" else "empty_message"
                return Refusal(rule, role, None, f"the {role} message is empty")
            if not content.isascii() and not _is_unicode(content):
                detail = f"{self.template.file}: the message holds half of a surrogate pair"
                return Refusal("template_error", self.template.file, None, detail)
        if not answered and self._answered:
            return Refusal("empty_answer", None, None, "the template made no assistant message of this row")
        return None

    def _turns(self, row: dict[str, Any]) -> list[Turn]:
        context = self._context
        context.parent = row
        for imported in self._imported:
            imported._module = None
        if self.template.blocks_only:
            if self._tools is None:
                return [Turn(role, self._message(block(context)), weight) for role, weight, block in self._blocks]
            return [self._calling_turn(*block) for block in self._blocks]
        context.vars.clear()
        context.exported_vars.clear()
        self._rendered = []
        for _ in self._jinja.root_render_func(context):
            pass  # whitespace between the blocks
        return self._rendered

    def _calling_turn(self, role: str, weight: float | None, block: Callable[[Context], Iterator[str]]) -> Turn:
        calls = self._sandbox.tool_calls
        calls.open_turn()
        return calls.close_turn(Turn(role, self._message(block(self._context)), weight))

    def _message(self, pieces: Iterator[str]) -> str:
        """A message of what a block prints, without blank lines before it and white space behind it.

        The first line keeps the indentation that comes from data: code would be broken without it. What the template's
        author wrote before the first word is layout, and goes.
        """
        parts = list(pieces)
        text = self._budget.join(parts)
        if text[:1].isspace():
            for i, part in enumerate(parts):
                if type(part) is Own:
                    parts[i] = part.lstrip()
                if parts[i]:
                    break
            text = "".join(parts)
            blank = len(text) - len(text.lstrip())
            text = text[text.rfind("\n", 0, blank) + 1 :]
        return text.rstrip()

    def _empty_context(self) -> None:
        self._context: Context = self._jinja.new_context({})
        # The top level calls the blocks through the context: what they make is kept apart, as messages.
        self._context.blocks = {
            turn: [self._keep(*block)] for turn, block in zip(self.template.turns, self._blocks, strict=True)
        }

    def _keep(
        self, role: str, weight: float | None, block: Callable[[Context], Iterator[str]]
    ) -> Callable[[Context], Iterator[str]]:
        def run(context: Context) -> Iterator[str]:
            if self._tools is None:
                self._rendered.append(Turn(role, self._message(block(context)), weight))
            else:
                self._rendered.append(self._calling_turn(role, weight, block))
            return iter(())

        return run

    def _place(self, error: Exception) -> str:
        """File and line of the innermost template code in the traceback."""
        place, trace = self.template.file, error.__traceback__
        while trace is not None:
            jinja = trace.tb_frame.f_globals.get("__jinja_template__")
            if jinja is not None:
                place = f"{jinja.name}:{jinja.get_corresponding_lineno(trace.tb_lineno)}"
            trace = trace.tb_next
        return place


def _is_unicode(content: str) -> bool:
    try:
        content.encode()
    except UnicodeEncodeError:
        return False
    return True


def compiled(name: str, sources: dict[str, str]) -> Compiled:
    """The compiled template of these texts; compiled once in a process."""
    return _compiled(name, canonical_json(sources))


@lru_cache(maxsize=256)
def _compiled(name: str, sources: str) -> Compiled:
    return Compiled(from_sources(name, orjson.loads(sources)))
