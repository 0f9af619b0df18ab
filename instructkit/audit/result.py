"""What an audit says in the end."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from instructkit.audit.copies import Cluster
from instructkit.audit.finding import Finding
from instructkit.audit.profile import Profile

Verdict = Literal["clean", "warnings", "errors"]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit says in the end. Equal files give an equal one; nothing in it depends on time."""

    paths: list[str]
    verdict: Verdict
    rows: int
    """All that were read: conversations, and rows of the findings `format` and `empty`."""
    conversations: int
    files: int
    formats: dict[str, int]
    """Rows by format, most first."""
    splits: dict[str, int]
    """Rows by split, `` for rows of none."""
    rows_with: dict[str, int]
    """Rows with an error; with a warning, but no error; with a note only. Each counts once."""
    findings: list[Finding]
    """The worst first: by severity, then by rows."""
    profile: Profile
    clusters: list[Cluster]
    """The largest clusters of near-duplicates, exact copies included."""
    said: list[str]
    """What was left out or taken for granted."""

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def verdict(findings: list[Finding]) -> Verdict:
    """The worst that was found; notes are no fault."""
    found = {finding.severity for finding in findings}
    return "errors" if "error" in found else "warnings" if "warning" in found else "clean"
