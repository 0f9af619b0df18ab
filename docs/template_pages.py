"""The pages made from templates: the catalogue with a rendered sample of each, and the keys of a template's head."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import orjson

from docs.reference_pages import GENERATED, keys_table, table
from instructkit.hashing import canonical_json
from instructkit.recipe.reference import FieldDoc, docstrings, type_words
from instructkit.templates.frontmatter import Case, ExpectedCall, ExpectedTurn, FrontMatter, Input
from instructkit.templates.library import find_templates
from instructkit.templates.options import FORMATS, label_of
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template
from instructkit.templates.turns import Rendered, Turn

STRUCTS = {
    "An input": Input,
    "A test": Case,
    "An expected message": ExpectedTurn,
    "An expected call": ExpectedCall,
}


def catalogue_page(folder: Path) -> str:
    """The templates that come with instructkit, by task, each with a rendered sample."""
    found = find_templates(["*"], [folder])
    tasks: dict[str, list[Template]] = {}
    for template in sorted(found, key=lambda template: (template.front.task, template.name)):
        tasks.setdefault(template.front.task, []).append(template)
    lines = [
        GENERATED,
        "# Templates",
        "",
        f"The {len(found)} templates that come with instructkit, by task, each with what it makes of its first test. "
        "A recipe names them, one by one or by a pattern (`templates: [summarization/*]`); a template of the same name "
        "in the project's own `templates/` folder stands before the shipped one. `instructkit templates ls` lists "
        "those of a project as well, `instructkit templates preview NAME --rows FILE` shows them on your rows. How to "
        "write one: [Writing templates](writing-templates.md).",
        "",
        *table(("task", "templates"), ((task, _links(of_task)) for task, of_task in tasks.items())),
    ]
    for task, of_task in tasks.items():
        lines += ["", f"## {_title(task)}"]
        for template in of_task:
            lines += ["", f"### `{template.name}`", "", *_entry(template)]
    return "\n".join(lines) + "\n"


def format_page() -> str:
    """The keys of a template's front matter, and the formats of answer options."""
    lines = [
        GENERATED,
        "# The head of a template",
        "",
        "The keys between the two `---` lines of a template; unknown ones are errors. How to write templates: [Writing "
        "templates](../writing-templates.md); those that come with instructkit: [Templates](../templates.md).",
        "",
        *keys_table(_keys(FrontMatter)),
    ]
    for name, struct in STRUCTS.items():
        lines += ["", f"## {name}", "", *keys_table(_keys(struct))]
    lines += [
        "",
        "## Formats of answer options",
        "",
        "`{{ choices | options }}` prints the choices in one of these, drawn for each row; `{{ choices | "
        'options("letters", "dashes") }}` draws from those named.',
        "",
        *table(("format", "prints"), ((f"`{name}`", f"`{_option(name)}`") for name in FORMATS)),
    ]
    return "\n".join(lines) + "\n"


def _option(name: str) -> str:
    style = FORMATS[name]
    return style.pattern.format(label=label_of(1, style.labels) if style.labels else "", text="the second choice")


def _keys(struct: type[msgspec.Struct]) -> Iterator[FieldDoc]:
    docs, hints = docstrings(struct), get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        default = None if field.required else _default(field)
        yield FieldDoc(
            name=field.name, type=type_words(hints[field.name]), default=default, doc=docs.get(field.name, "")
        )


def _default(field: Any) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "nothing" if value is None else value if value and isinstance(value, str) else canonical_json(value)


def _links(templates: Iterable[Template]) -> str:
    return ", ".join(f"[`{each.name}`](#{re.sub(r'[^a-z0-9_-]', '', each.name.lower())})" for each in templates)


def _title(task: str) -> str:
    return task.replace("_", " ").capitalize()


def _entry(template: Template) -> list[str]:
    front = template.front
    inputs = (f"`{name}`" + (" (optional)" if given.optional else "") for name, given in front.declared().items())
    facts = {
        "Inputs": ", ".join(inputs),
        "Languages": ", ".join(front.languages),
        "Phrasings": str(len(front.wordings())) if front.phrasings else "",
        "Choices": f"those of `{front.choices}`" if isinstance(front.choices, str) else ", ".join(front.choices or ()),
        "Tests": str(len(front.tests)),
        "License": front.license or "",
    }
    lines = [front.summary, "", " · ".join(f"{name}: {said}" for name, said in facts.items() if said)]
    sample = _sample(template)
    for turn in sample.turns if sample else ():
        lines += ["", f"**{turn.role}**{_weight(turn)}", "", *(fenced(turn.content) if turn.content else ())]
        for call in orjson.loads(turn.tool_calls) if turn.tool_calls else ():
            function = call["function"]
            lines += ["", *fenced(f"{function['name']}({canonical_json(function['arguments'])})")]
    if sample and sample.variant:
        lines += ["", f"Drawn: {sample.variant.replace(',', ', ')}."]
    return lines


def _weight(turn: Turn) -> str:
    return " (not trained on)" if turn.role == "assistant" and turn.weight == 0 else ""


def _sample(template: Template) -> Rendered | None:
    """What the template makes of its first test that expects messages."""
    compiled = Compiled(template)
    for number, case in enumerate(template.front.tests, 1):
        if case.expect is not None:
            rendered = compiled.render(case.given, f"test {number}", 0, case.phrasing, case.options)
            if isinstance(rendered, Rendered):
                return rendered
    return None


def fenced(text: str) -> Sequence[str]:
    """The text as a block of Markdown, behind a fence longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return [f"{fence}text", *text.split("\n"), fence]
