"""Whether a converted template says what its original says: both are rendered on rows, and compared.

The original is rendered as promptsource's `apply` does it, without its cut at 2,048 characters: Jinja's defaults,
names that are not there print nothing, the text is split at `|||`, each part is stripped. Where it draws, every draw
is tried.

original                                          ours
two parts, both with text                         these two messages, to the letter
one part, three, an empty one, or an error        a drop
None printed, or read what is not there: x[5]     a drop, or the same messages
a required input missing, empty or null           a drop
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from jinja2 import Undefined, pass_context
from jinja2.sandbox import SandboxedEnvironment

from instructkit.templates.limits import MAX_RANGE
from instructkit.templates.promptsource.originals import SEPARATOR, Original
from instructkit.templates.promptsource.rewrite import PROTECTOR

MAX_WAYS = 3_000
"""Draws tried for one row."""


class Outcome(NamedTuple):
    """What an original makes of a row, over all draws."""

    messages: set[tuple[str, str]]
    """Prompts with their answers."""
    may_drop: bool
    """Some draw gives no pair of messages, or one with a hole in it."""
    complete: bool
    """All draws were tried."""


class _Draws:
    """Goes through all ways of drawing: the last draw counts up first."""

    def __init__(self) -> None:
        self.ways: list[list[int]] = []
        self.at = 0

    @pass_context  # else Jinja would draw from a list of constants only once, when it compiles
    def choice(self, _context: Any, items: Any) -> Any:
        pool = list(items)
        if not pool:
            raise IndexError("choice of nothing")
        if self.at == len(self.ways):
            self.ways.append([0, len(pool)])
        self.at += 1
        return pool[self.ways[self.at - 1][0] % len(pool)]

    def advance(self) -> bool:
        self.ways = self.ways[: self.at]
        self.at = 0
        while self.ways:
            self.ways[-1][0] += 1
            if self.ways[-1][0] < self.ways[-1][1]:
                return True
            self.ways.pop()
        return False


def _most_frequent(items: Any) -> Any:
    if not items:
        return None
    counts = Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]]


class OriginalTemplate:
    """An original, ready for rows. Strangers wrote it: it runs in Jinja's sandbox."""

    def __init__(self, original: Original) -> None:
        self.holes = 0
        self.draws = _Draws()
        proof = self

        class Hole(Undefined):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                proof.holes += 1

        environment = SandboxedEnvironment(undefined=Hole, finalize=self._printed)
        environment.globals.update(zip=zip, range=_range)
        environment.filters.update(choice=self.draws.choice, random=self.draws.choice, most_frequent=_most_frequent)
        self.jinja = environment.from_string(original.jinja)
        self.choices = environment.from_string(original.answer_choices) if original.answer_choices is not None else None

    def _printed(self, value: Any) -> Any:
        self.holes += value is None
        return value

    def render(self, row: dict[str, Any]) -> Outcome:
        """Everything that the original may make of a row."""
        messages: set[tuple[str, str]] = set()
        may_drop, tried = False, 0
        self.draws.ways, self.draws.at = [], 0
        while tried < MAX_WAYS:
            tried += 1
            self.holes = 0
            try:
                parts = self._parts(row)
            except Exception:
                parts = []  # an original that fails makes no example
            if len(parts) == 2 and all(parts):
                messages.add((parts[0], parts[1]))
                may_drop = may_drop or bool(self.holes)
            else:
                may_drop = True
            if not self.draws.advance():
                return Outcome(messages, may_drop, complete=True)
        return Outcome(messages, may_drop, complete=False)

    def _parts(self, row: dict[str, Any]) -> list[str]:
        given = {k: v.replace(SEPARATOR, PROTECTOR) if isinstance(v, str) else v for k, v in row.items()}
        choices = None
        if self.choices is not None:
            choices = [_restored(part) for part in self.choices.render(given).split(SEPARATOR)]
        return [_restored(part) for part in self.jinja.render({**given, "answer_choices": choices}).split(SEPARATOR)]


def _restored(part: str) -> str:
    return part.strip().replace(PROTECTOR, SEPARATOR).strip()


def _range(*bounds: int) -> Iterable[int]:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise OverflowError(f"range of {len(numbers):,} numbers")
    return numbers
