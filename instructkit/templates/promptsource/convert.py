"""One original made into a file of ours: read, rewritten, divided, declared, compared, and given tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateError

from instructkit.errors import TemplateFault
from instructkit.templates.frontcheck import NAME, RESERVED
from instructkit.templates.promptsource.choices import Choices, place_choices
from instructkit.templates.promptsource.divide import divided
from instructkit.templates.promptsource.inputs import declare, printed_in
from instructkit.templates.promptsource.names import draws, free, unset
from instructkit.templates.promptsource.originals import SEPARATOR, Original
from instructkit.templates.promptsource.pieces import NotConverted, Pieces, Print, Set, codes, read_pieces, walk
from instructkit.templates.promptsource.proof import OriginalTemplate, Outcome
from instructkit.templates.promptsource.rewrite import rewrite
from instructkit.templates.promptsource.rows import made_rows
from instructkit.templates.promptsource.write import write_file
from instructkit.templates.rendering import OF_THE_DOCUMENT, Compiled, Refusal
from instructkit.templates.template import SUFFIX, Template, from_sources

LICENSE = "Apache-2.0"
ROWS = 24
"""Rows made up for a comparison: enough for each branch of most templates to be met."""
SEEDS = 3
METRICS = {
    "Accuracy": ("accuracy",),
    "BLEU": ("bleu",),
    "COQA F1": ("token_f1",),
    "Edit Distance": ("edit_similarity",),
    "ROUGE": ("rouge1", "rouge2", "rougeL"),
    "Squad": ("exact_match", "token_f1"),
    "Trivia QA": ("exact_match", "token_f1"),
}
"""promptsource's names for metrics in ours; Other, AUC, MultiRC and the correlations have no counterpart."""


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
    written = read_pieces(original.jinja)
    _check_separators(written)
    placed = place_choices(original, rewrite(written))
    body = divided(placed.pieces)
    front = _front(original, placed, body, task)
    above = (*(Set(lost, '""') for lost in sorted(unset((*placed.above, *body)))), *placed.above)
    body = (*above, *body)
    template = _loaded(name, write_file(front, body))
    try:
        rows = made_rows(original, ROWS)
        source = OriginalTemplate(original)
    except TemplateError as error:
        raise NotConverted("not a Jinja template", str(error.message)) from None
    compared, warnings = _compare(template, source, rows)
    tests = _tests(template, source, rows)
    if tests:
        front["tests"] = tests
        template = _loaded(name, write_file(front, body))
    warnings = [*_warnings(original, placed, body, list(template.front.declared())), *warnings]
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


def _front(original: Original, placed: Choices, body: Pieces, task: str | None) -> dict[str, Any]:
    besides = {"choices"} if isinstance(placed.front, tuple) else set[str]()
    inputs = declare(body, placed.above, besides)
    for name in inputs:
        if not NAME.match(name) or name.lower() in RESERVED:
            raise NotConverted("a column whose name no input can have", name)
    if not inputs:
        raise NotConverted("reads nothing of the row", "its messages are the same for every row")
    quoted = f'"{original.name}" (id {original.id})'
    credit = f"; {' '.join(original.reference.split())}" if original.reference.strip() else ""
    targets = [name for name in inputs if name in printed_in(body, "assistant") - printed_in(body, "user")]
    metrics = dict.fromkeys(ours for theirs in original.metrics for ours in METRICS.get(theirs, ()))
    front: dict[str, Any] = {
        "summary": f"{_sentence(original.name)}: {original.corpus}.",
        "task": task or _task(original),
        "inputs": inputs if any(inputs.values()) else list(inputs),
    }
    if placed.front:
        front["choices"] = list(placed.front) if isinstance(placed.front, tuple) else placed.front
    if targets:
        front["targets"] = targets
    if metrics:
        front["metrics"] = list(metrics)
    if original.languages:
        front["languages"] = [language.lower() for language in original.languages]
    return {**front, "license": LICENSE, "source": f"promptsource, {original.corpus}, {quoted}{credit}"}


def _sentence(name: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _task(original: Original) -> str:
    """promptsource names no task: choices and metrics tell what kind it is."""
    if original.original_task is False:
        return "other"
    if original.answer_choices is not None:
        return "classification" if original.choices() is not None else "multiple_choice"
    if {"Squad", "Trivia QA", "COQA F1", "MultiRC"} & set(original.metrics):
        return "question_answering"
    return "generation"


def _loaded(name: str, text: str) -> Template:
    try:
        return from_sources(name, {name + SUFFIX: text})
    except TemplateFault as fault:
        messages = list(dict.fromkeys(found.message for found in fault.faults))
        raise NotConverted("uses what templates may not", "; ".join(messages)) from None


def messages_of(result: Any) -> tuple[str, str] | None:
    """Prompt and answer of a rendered row; None for a refused one."""
    if isinstance(result, Refusal):
        return None
    user, assistant = result.turns
    return user.content, assistant.content


def _compare(template: Template, source: OriginalTemplate, rows: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """How many rows gave the same messages, and what could not be compared. Raises NotConverted on a difference."""
    compiled, same, warnings = Compiled(template), 0, []
    inputs = template.front.declared()
    for number, row in enumerate(rows):
        results = [compiled.render(row, f"row {number}", seed) for seed in range(SEEDS)]
        if any(isinstance(result, Refusal) and "characters of work" in result.detail for result in results):
            raise NotConverted("costs more than a row may", f"row {number}")
        outcome = source.render(row)
        if not outcome.complete:
            warnings = ["draws in too many ways to be compared with the original in all of them"]
        lacks = any(row.get(key) in (None, "", [], {}) for key, given in inputs.items() if not given.optional)
        for result in results:
            if found := _difference(outcome, result, lacks):
                raise NotConverted("renders something else", f"row {number}: {found}")
            same += messages_of(result) is not None
    return same, warnings


def _difference(outcome: Outcome, result: Any, lacks: bool) -> str:
    pair = messages_of(result)
    if pair is None:
        if outcome.may_drop or lacks or not outcome.complete:
            return ""
        return f"dropped ({result.detail}), the original makes {min(outcome.messages)!r}"
    # Here blanks that the data puts before a message's first word stay on its line; the original strips them.
    if not outcome.complete or (pair[0].lstrip(), pair[1].lstrip()) in outcome.messages:
        return ""
    wanted = repr(min(outcome.messages)) if outcome.messages else "no pair of messages"
    return f"{pair!r}, the original makes {wanted}"


def _tests(template: Template, source: OriginalTemplate, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two rows with the messages that the original makes of them, and one that its conditions leave out."""
    compiled = Compiled(template)
    tests: list[dict[str, Any]] = []
    used: set[tuple[str, str]] = set()
    for row in rows:
        outcome = source.render(row)
        # Each test is rendered under its number: what is drawn for it depends on that.
        result = compiled.render(row, f"test {len(tests) + 1}", 0)
        pair = messages_of(result)
        if pair is not None and pair in outcome.messages and len(used) < 2 and pair not in used:
            used.add(pair)
            turns = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), pair, strict=True)]
            tests.append({"given": row, "expect": turns})
        elif isinstance(result, Refusal) and result.rule == "not_applicable" and not outcome.messages:
            if not any("expect_drop" in test for test in tests):
                tests.append({"given": row, "expect_drop": result.rule})
    return tests


def _warnings(original: Original, placed: Choices, body: Pieces, inputs: list[str]) -> list[str]:
    found = [placed.warning] if placed.warning else []
    if any(draws(piece) for piece in body):
        found.append("draws at random: promptsource without a seed, here by the recipe's seed and the row")
    for name in inputs:
        if name in OF_THE_DOCUMENT:
            found.append(f"input '{name}' is the document's own {name} here; map the column of that name to another field")
    holes = sorted(free(body) & printed_in(body, "user") - _required(inputs, body))
    _ = holes
    for metric in original.metrics:
        if metric not in METRICS and metric != "Other":
            found.append(f"metric '{metric}' has no counterpart here")
    user = {piece.code for piece in _prints(body, "user")}
    for piece in _prints(body, "assistant"):
        if re.fullmatch(r"[\w.]+", piece.code) and piece.code in user:
            found.append(f"the answer stands in the prompt: {{{{ {piece.code} }}}}")
    return list(dict.fromkeys(found))
