"""One original made into a file of ours: read, rewritten, divided, declared, compared, and given tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import TemplateError

from instructkit.errors import TemplateFault
from instructkit.templates.promptsource.choices import place_choices
from instructkit.templates.promptsource.compare import compare, tests_of
from instructkit.templates.promptsource.divide import divided
from instructkit.templates.promptsource.front import front_matter
from instructkit.templates.promptsource.names import unset
from instructkit.templates.promptsource.originals import SEPARATOR, Original
from instructkit.templates.promptsource.pieces import NotConverted, Pieces, Print, Set, codes, read_pieces, walk
from instructkit.templates.promptsource.proof import OriginalTemplate
from instructkit.templates.promptsource.rewrite import rewrite
from instructkit.templates.promptsource.rows import emptied, made_rows
from instructkit.templates.promptsource.warn import warnings_of
from instructkit.templates.promptsource.write import write_file
from instructkit.templates.template import SUFFIX, Template, from_sources

ROWS = 24
"""Rows made up for a comparison: enough for each branch of most templates to be met."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of one original."""

    original: Original
    name: str
    """Its path below the folder of results, without suffix: `glue/mrpc/same_thing`."""
    text: str | None = None
    """The file; None where it was not converted."""
    reason: str = ""
    """Why it was not converted, in words that group a report; empty where it was."""
    detail: str = ""
    warnings: list[str] = field(default_factory=list)
    tests: int = 0
    compared: int = 0
    """Rows for which both made the same messages."""


def convert(original: Original, name: str, task: str | None = None) -> Conversion:
    """Convert one original. `task` stands in the front matter in place of the one told from the original."""
    try:
        return _convert(original, name, task)
    except NotConverted as problem:
        return Conversion(original=original, name=name, reason=problem.reason, detail=problem.detail)
    except RecursionError:
        return Conversion(original=original, name=name, reason="not a Jinja template", detail="nested too deeply")


def _convert(original: Original, name: str, task: str | None) -> Conversion:
    if original.fault:
        raise NotConverted("not a template of promptsource's", original.fault)
    written = read_pieces(original.jinja)
    _check_separators(written)
    placed = place_choices(original, rewrite(written))
    body = divided(placed.pieces)
    front = front_matter(original, placed, body, task)
    above = (*(Set(lost, '""') for lost in sorted(unset((*placed.above, *body)))), *placed.above)
    body = (*above, *body)
    template = _loaded(name, write_file(front, body))
    try:
        rows = made_rows(original, ROWS)
        source = OriginalTemplate(original)
    except TemplateError as error:
        raise NotConverted("not a Jinja template", str(error.message)) from None
    compared, warnings = compare(template, source, [*rows, *(other for row in rows[:2] for other in emptied(row))])
    tests = tests_of(template, source, rows)
    if tests:
        front["tests"] = tests
        template = _loaded(name, write_file(front, body))
    warnings = [*warnings_of(original, placed, body, template), *warnings]
    if not any("expect" in test for test in tests):
        warnings.append("has no test with messages: none of the rows made up for it gave a prompt and an answer")
    return Conversion(
        original=original,
        name=name,
        text=template.sources[template.file],
        warnings=warnings,
        tests=len(tests),
        compared=compared,
    )


def _check_separators(pieces: Pieces) -> None:
    """A separator that an expression prints cannot be told from one that it handles."""
    for piece in walk(pieces):
        for code in codes(piece):
            if SEPARATOR in code and isinstance(piece, Print | Set):
                raise NotConverted("separator inside of an expression", code)


def _loaded(name: str, text: str) -> Template:
    try:
        return from_sources(name, {name + SUFFIX: text})
    except TemplateFault as fault:
        messages = list(dict.fromkeys(found.message for found in fault.faults))
        raise NotConverted("uses what templates may not", "; ".join(messages)) from None
