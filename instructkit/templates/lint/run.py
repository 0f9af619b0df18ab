"""Running the rules: over each template by itself, and over all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instructkit.errors import Fault
from instructkit.templates.lint.choices import choice_mismatch
from instructkit.templates.lint.finding import Finding, Hit, order
from instructkit.templates.lint.inputs import constant_answer, constant_prompt, unguarded_input
from instructkit.templates.lint.language import missing_languages, wrong_language
from instructkit.templates.lint.leaks import answer_in_prompt
from instructkit.templates.lint.likeness import alike, similar_phrasings, template_shingles
from instructkit.templates.lint.rules import RULES
from instructkit.templates.lint.samples import samples
from instructkit.templates.lint.spaces import trailing_space
from instructkit.templates.lint.subject import Subject
from instructkit.templates.lint.turns import empty_turn, no_prompt, role_order, unanswered
from instructkit.templates.lint.words import missing_license, missing_tests, placeholder, summary_form
from instructkit.templates.template import Template
from instructkit.templates.turns import Refusal


def no_rows(subject: Subject) -> Iterator[Hit]:
    """Rows that have all inputs, and of which none became a conversation."""
    rows = [sample.result for sample in subject.samples if sample.kind == "row"]
    rows = [row for row in rows if not isinstance(row, Refusal) or row.rule != "not_applicable"]
    refused = Counter(result.rule for result in rows if isinstance(result, Refusal))
    if rows and refused.total() == len(rows):
        counted = ", ".join(f"{rule} {count}" for rule, count in refused.most_common())
        detail = next(result.detail for result in rows if isinstance(result, Refusal))
        yield Hit(1, 0, f"none of {len(rows)} rows gives a conversation ({counted}; the first: {detail})")


CHECKS: dict[str, Callable[[Subject], Iterator[Hit]]] = {
    check.__name__: check
    for check in (
        role_order, empty_turn, answer_in_prompt, choice_mismatch, unanswered, no_prompt, constant_answer,
        constant_prompt, unguarded_input, wrong_language, similar_phrasings, trailing_space, placeholder, missing_tests,
        summary_form, missing_license, missing_languages, no_rows,
    )
}  # fmt: skip
"""The check behind each rule that looks at one template."""


@dataclass(frozen=True, kw_only=True)
class Linted:
    """What lint found."""

    templates: int
    """How many were looked at, those at fault included."""
    findings: tuple[Finding, ...]
    """By file and line."""

    def count(self, severity: str) -> int:
        """Findings of a severity, faults apart."""
        return sum(finding.severity == severity and finding.rule != "fault" for finding in self.findings)

    @property
    def faults(self) -> int:
        """Faults that keep templates from loading."""
        return sum(finding.rule == "fault" for finding in self.findings)


def lint(
    templates: Sequence[Template],
    faults: Iterable[tuple[str, Fault]] = (),
    *,
    others: Iterable[Template] = (),
    rows: Mapping[str, Sequence[dict[str, Any]]] = {},
    shown: Callable[[Template], str] = lambda template: template.file,
) -> Linted:
    """Every finding in the templates.

    `faults`: those of templates that could not be loaded, with their names. `others`: templates that are not linted,
    but may be what one of these repeats. `rows`: template → rows, values by input name, rendered beside its tests.
    `shown` says how a template's file is called.
    """
    faults = list(faults)
    subjects = [
        Subject(template, shown(template), samples(template, rows.get(template.name, ()))) for template in templates
    ]
    rest = [Subject(template, shown(template)) for template in others]
    findings = [
        _finding(name, fault.file, "fault", Hit(fault.line, fault.column, fault.message)) for name, fault in faults
    ]
    for subject in subjects:
        for rule, check in CHECKS.items():
            if rule not in subject.front.allow:
                findings += [_finding(subject.name, subject.file, rule, hit) for hit in check(subject)]
    findings += _duplicates(subjects, rest)
    count = len(subjects) + len({name for name, _ in faults})
    return Linted(templates=count, findings=tuple(sorted(set(findings), key=order)))


def _finding(name: str, file: str, rule: str, hit: Hit) -> Finding:
    severity = RULES[rule].severity
    return Finding(
        template=name, rule=rule, severity=severity, file=file, line=hit.line, column=hit.column, message=hit.message
    )


def _duplicates(subjects: Sequence[Subject], rest: Sequence[Subject]) -> Iterator[Finding]:
    """Templates that repeat another; of two that are linted the later name is told."""
    rule = "duplicate_template"
    compared = [*rest, *sorted(subjects, key=lambda subject: subject.name)]
    for pair in alike([template_shingles(subject) for subject in compared]):
        one, other = compared[pair.one], compared[pair.other]
        if pair.other < len(rest) or rule in one.front.allow or rule in other.front.allow:
            continue
        how = "the same as" if pair.similarity == 1 else f"{pair.similarity:.2f} alike to"
        message = f"its wording is {how} that of '{one.name}'; make it one template with `phrasings`, or word it anew"
        yield _finding(other.name, other.file, rule, other.at_block(other.blocks[0], message))
