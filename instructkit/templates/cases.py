"""A template's own tests: what it makes of given inputs, compared with what its front matter expects."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff

from instructkit.templates.frontmatter import Case
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template
from instructkit.templates.turns import Refusal, Rendered


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """How one test of a template went."""

    __test__ = False  # not a test of pytest's

    template: str
    test: str
    """Its name, or `test 1` for the first without one."""
    difference: str
    """Empty when the test passed; else a line diff, `-` expected and `+` rendered."""

    @property
    def passed(self) -> bool:
        """Whether the template made what was expected."""
        return not self.difference


def run_tests(template: Template) -> list[TestResult]:
    """Run the tests of a template, each as a row of its own with seed 0 and the id `test 1`, `test 2` …"""
    renderer = Compiled(template)
    results = []
    for number, case in enumerate(template.front.tests, 1):
        name = f"test {number}"
        result = renderer.render(case.given, name, 0, case.phrasing, case.options)
        difference = _difference(case, result)
        results.append(TestResult(template=template.name, test=case.name or name, difference=difference))
    return results


def _difference(case: Case, result: Rendered | Refusal) -> str:
    found_turns = [turn[:2] for turn in result.turns] if isinstance(result, Rendered) else None
    if case.expect_drop is not None:
        expected = [f"[drop] {case.expect_drop}"]
    else:
        # A YAML block (`content: |`) ends with a line break, which no message does.
        turns = [(turn.role, turn.content.removesuffix("\n")) for turn in case.expect or ()]
        if found_turns == turns:
            return ""
        expected = _lines(turns)
    if found_turns is None:
        assert isinstance(result, Refusal)
        found = [f"[drop] {result.rule}"]
        if found != expected:
            found.append(result.detail)
    else:
        found = _lines(found_turns)
    if case.expect_drop is not None and found == expected:
        return ""
    difference = "\n".join(unified_diff(expected, found, "expected", "rendered", lineterm="", n=2))
    return difference or f"-{case.expect}\n+{result}"  # a content may look like the head of a turn, or end with a dot


def _lines(turns: list[tuple[str, str]]) -> list[str]:
    """One line for each role and each line of text; a space at the end of a line is shown, as it is easily missed."""
    lines = []
    for role, content in turns:
        lines.append(f"[{role}]")
        for line in content.split("\n"):
            kept = line.rstrip(" ")
            lines.append(kept + "·" * (len(line) - len(kept)))
    return lines
