"""A converted template against its original, row by row; and the tests that come out of it."""

from __future__ import annotations

from typing import Any

from instructkit.templates.promptsource.pieces import NotConverted
from instructkit.templates.promptsource.proof import OriginalTemplate, Outcome
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template
from instructkit.templates.turns import Refusal

SEEDS = 3
"""Each row is rendered with so many seeds: what is drawn must be one of the original's draws each time."""


def messages_of(result: Any) -> tuple[str, str] | None:
    """Prompt and answer of a rendered row; None for a refused one."""
    if isinstance(result, Refusal):
        return None
    user, assistant = result.turns
    return user.content, assistant.content


def compare(template: Template, source: OriginalTemplate, rows: list[dict[str, Any]]) -> tuple[int, list[str]]:
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


def tests_of(template: Template, source: OriginalTemplate, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two rows with the messages that the original makes of them, and one that its conditions leave out.

    The two have different answers where any two rows do.
    """
    compiled = Compiled(template)
    declared = template.front.declared()
    tests: list[dict[str, Any]] = []
    answers: list[str] = []
    given: list[dict[str, Any]] = []
    for repeat in (False, True):
        for row in rows:
            here = {name: value for name, value in row.items() if name in declared}
            if here in given:
                continue
            # Each test is rendered under its number: what is drawn for it depends on that.
            result = compiled.render(here, f"test {len(tests) + 1}", 0)
            pair = messages_of(result)
            outcome = source.render(row)
            if pair in outcome.messages and pair is not None and len(answers) < 2:
                if pair[1] in answers and not repeat:
                    continue
                answers.append(pair[1])
                turns = [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
                tests.append({"given": here, "expect": turns})
                given.append(here)
            elif (
                getattr(result, "rule", "") == "not_applicable"
                and not outcome.messages
                and not any("expect_drop" in test for test in tests)
            ):
                tests.append({"given": here, "expect_drop": "not_applicable"})
                given.append(here)
            if len(answers) == 2 and len(tests) == 3:
                return tests
    return tests
