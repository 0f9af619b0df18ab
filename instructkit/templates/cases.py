"""A template's own tests: what it makes of given inputs, compared with what its front matter expects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff

import orjson

from instructkit.hashing import canonical_json
from instructkit.templates.frontmatter import Case, ExpectedTurn
from instructkit.templates.head import read_head
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template
from instructkit.templates.turns import Refusal, Rendered, Turn
from instructkit.text.conversation import trained_weight

SPACES = {" ": "·", "\t": "⇥", "\u00a0": "⍽", "\u3000": "□"}
"""Signs for white space at the end of a line."""


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """How one test of a template went."""

    __test__ = False  # not a test of pytest's

    template: str
    test: str
    """Its name, or `test 1` for the first without one."""
    line: int
    """Where it stands in the template's file."""
    difference: str
    """Empty when the test passed; else a line diff, `-` expected and `+` rendered."""

    @property
    def passed(self) -> bool:
        """Whether the template made what was expected."""
        return not self.difference


@dataclass(frozen=True)
class _Said:
    """What is compared of a turn."""

    role: str
    content: str
    calls: tuple[str, ...]
    weight: float | None


def run_tests(template: Template) -> list[TestResult]:
    """Run the tests of a template, each as a row of its own with seed 0 and the id `test 1`, `test 2` …"""
    renderer = Compiled(template)
    head = read_head(template.sources[template.file], template.file)
    results = []
    for number, case in enumerate(template.front.tests, 1):
        name = f"test {number}"
        result = renderer.render(case.given, name, 0, case.phrasing, case.options)
        difference = _difference(case, result)
        line, _ = head.place("tests", number - 1)
        results.append(TestResult(template=template.name, test=case.name or name, line=line, difference=difference))
    return results


def _difference(case: Case, result: Rendered | Refusal) -> str:
    turns = [_expected(turn) for turn in case.expect or ()]
    if isinstance(result, Rendered):
        # A weight that the test does not name is not compared.
        weighed = [turn.weight is not None for turn in turns] + [False] * len(result.turns)
        said = [_rendered(turn, compared) for turn, compared in zip(result.turns, weighed, strict=False)]
        if case.expect_drop is None and said == turns:
            return ""
        found = list(_lines(said))
    else:
        found = [f"[drop] {result.rule}"]
        if case.expect_drop == result.rule:
            return ""
        found.append(result.detail)
    expected = [f"[drop] {case.expect_drop}"] if case.expect_drop is not None else list(_lines(turns))
    difference = "\n".join(unified_diff(expected, found, "expected", "rendered", lineterm="", n=2))
    return difference or f"-{case.expect}\n+{result}"  # a content may look like the head of a turn, or end with a dot


def _expected(turn: ExpectedTurn) -> _Said:
    calls = tuple(canonical_json([call.name, call.arguments]) for call in turn.tool_calls)
    # A YAML block (`content: |`) ends with a line break, which no message does.
    return _Said(turn.role, turn.content.removesuffix("\n"), calls, turn.weight)


def _rendered(turn: Turn, weighed: bool) -> _Said:
    made = [call["function"] for call in orjson.loads(turn.tool_calls)] if turn.tool_calls else []
    calls = tuple(canonical_json([call["name"], call["arguments"]]) for call in made)
    weight = trained_weight(turn)
    return _Said(turn.role, turn.content, calls, weight if weighed else None)


def _lines(turns: Iterable[_Said]) -> Iterable[str]:
    """One line for each role and each line of text; white space at the end of a line is shown: it is easily missed."""
    for turn in turns:
        yield f"[{turn.role}]" if turn.weight is None else f"[{turn.role}, weight {turn.weight:g}]"
        for line in turn.content.split("\n") if turn.content or not turn.calls else ():
            kept = line.rstrip(" \t\u00a0\u3000")
            yield kept + "".join(SPACES[char] for char in line[len(kept) :])
        for call in turn.calls:
            name, arguments = orjson.loads(call)
            yield f"[call] {name} {canonical_json(arguments)}"
