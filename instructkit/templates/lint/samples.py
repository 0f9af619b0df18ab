"""What a template renders, for the checks that look at examples: of its own tests in every phrasing, and of rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from instructkit.templates.rendering import Compiled
from instructkit.templates.template import Template
from instructkit.templates.turns import Refusal, Rendered


class Sample(NamedTuple):
    """Given values and what became of them."""

    kind: Literal["test", "row"]
    number: int
    """From 1, among the tests or the rows."""
    phrasing: str | None
    given: dict[str, Any]
    result: Rendered | Refusal

    @property
    def where(self) -> str:
        """How a message names it."""
        return f"{self.kind} {self.number}" + (f" in phrasing '{self.phrasing}'" if self.phrasing else "")


def samples(template: Template, rows: Iterable[dict[str, Any]] = ()) -> tuple[Sample, ...]:
    """Renderings of the tests that expect messages, and of those rows that have all its inputs, by name."""
    compiled = Compiled(template)
    found: list[Sample] = []
    for number, case in enumerate(template.front.tests, 1):
        if case.expect is not None:
            wordings: list[str | None] = [case.phrasing] if case.phrasing else [*template.front.wordings()]
            for phrasing in wordings or [None]:
                result = compiled.render(case.given, f"test {number}", 0, phrasing, case.options)
                found.append(Sample("test", number, phrasing, case.given, result))
    needed = [name for name, given in template.front.declared().items() if not given.optional]
    for number, row in enumerate(rows, 1):
        if all(name in row for name in needed):
            found.append(Sample("row", number, None, row, compiled.render(row, f"row {number}", 0)))
    return tuple(found)
