"""What lint found: a rule, a place, and a message with the way out."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from instructkit.errors import Fault
from instructkit.templates.lint.rules import RULES, Severity


class Hit(NamedTuple):
    """Something that a check found; line and column count from 1, column 0 where there is none."""

    line: int
    column: int
    message: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A hit of a rule in a template."""

    template: str
    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    """What was found, what was expected, the way out."""

    def __str__(self) -> str:
        return f"{Fault(self.file, self.line, self.column, f'{self.severity}: {self.message}')} [{self.rule}]"


def order(finding: Finding) -> tuple[str, int, int, int, str]:
    """Sorts findings by place, at one place as the rules are listed."""
    return finding.file, finding.line, finding.column, list(RULES).index(finding.rule), finding.message
