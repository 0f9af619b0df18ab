"""A preview from names to lines: loads templates, finds their rows, renders what changed, and draws all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from instructkit.errors import InstructkitError
from instructkit.report.preview.choice import Choice
from instructkit.report.preview.drawing import Look, fault_lines, heading_lines, template_lines
from instructkit.report.preview.rendering import Rendered, render
from instructkit.report.preview.rows import Rows
from instructkit.report.preview.tokens import Tokens
from instructkit.report.preview.watch import changes, files_of
from instructkit.templates.template import Template


@dataclass(kw_only=True)
class Session:
    """Templates on rows. What has not changed is neither loaded, read nor rendered again."""

    choices: Sequence[Choice]
    find_rows: Callable[[Sequence[Template]], Rows]
    """The rows for templates: which column of a file is the text depends on what they read."""
    limit: int = 10
    every_phrasing: bool = False
    tokens: Tokens | None = None
    rows: Rows | None = None
    faults: dict[int, InstructkitError] = field(default_factory=dict)
    """By number of the choice; what is wrong with the rows is the first one's."""
    results: dict[int, list[Rendered]] = field(default_factory=dict)
    _templates: dict[int, Template] = field(default_factory=dict)
    _rows_for: object = None

    def update(self, numbers: Iterable[int]) -> None:
        """Load the templates of some choices anew, and render them."""
        stale = set(numbers)
        for number in stale:
            self.faults.pop(number, None)
            self.results.pop(number, None)
            self._templates.pop(number, None)
            loaded = self.choices[number].load()
            if isinstance(loaded, Template):
                self._templates[number] = loaded
            else:
                self.faults[number] = loaded
        if not self._templates:
            return
        templates = [self._templates[number] for number in sorted(self._templates)]
        needs = [(sorted(template.front.declared()), template.front.tests) for template in templates]
        if self.rows is None or needs != self._rows_for:
            try:
                self.rows, self._rows_for = self.find_rows(templates), needs
            except InstructkitError as error:
                self.rows, self.results = None, {}
                self.faults[min(self._templates)] = error
                return
            stale = set(self._templates)
        for number in stale & set(self._templates):
            self.faults.pop(number, None)
            self.results[number] = render(self._templates[number], self.rows, self.limit, self.every_phrasing)

    def lines(self, look: Look, faults: bool = True) -> Iterator[str]:
        """Everything, drawn; templates at fault in their place, or left out."""
        if self.rows is not None:
            yield from heading_lines(self.rows, look)
        for number, choice in enumerate(self.choices):
            if faults and number in self.faults:
                yield from fault_lines(choice.name, self.faults[number], look)
                yield ""
            for result in self.results.get(number, []):
                assert self.rows is not None, "rendered on rows"
                yield from template_lines(result, self.rows, look, self.tokens)
                yield ""

    def all_results(self) -> list[Rendered]:
        """What was rendered, template after template."""
        return [result for number in sorted(self.results) for result in self.results[number]]


def watch(session: Session, look: Callable[[], Look]) -> Iterator[tuple[list[str], str]]:
    """Draws a session each time a file of its templates changes: lines, and one that says when and how fast."""
    for changed in changes(session.choices):
        begun = time.perf_counter()
        session.update(changed)
        lines = list(session.lines(look()))
        taken = round((time.perf_counter() - begun) * 1000)
        files = {path for choice in session.choices for path, text in files_of(choice).items() if text is not None}
        names = ", ".join(session.choices[number].name for number in changed[:3]) + (" …" if len(changed) > 3 else "")
        count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
        yield lines, f"{time.strftime('%H:%M:%S')}  {names}: redrawn in {taken} ms; watching {count}, Ctrl-C ends"
