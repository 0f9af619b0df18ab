"""Answer options in varied formats, one drawn for a row, the same in all its turns.

{{ choices | options }}               A. negative          (A) negative          - negative
                                      B. positive          (B) positive          - positive
{{ answer | option(choices) }}        B. positive          (B) positive          positive
{{ answer | option(choices, "label") }}   B                B                     positive

As FLAN does, which draws among such lists (Longpre et al. 2023, The Flan Collection, section 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from jinja2 import pass_context

from instructkit.templates.draws import Draws
from instructkit.templates.limits import STEP_COST, Budget
from instructkit.templates.turns import shortened


class Format(NamedTuple):
    """How an option is written."""

    pattern: str
    """With the places `{label}` and `{text}`."""
    labels: Literal["A", "a", "1"] | None
    """How options are counted; None: they have no label."""


FORMATS: dict[str, Format] = {
    "letters": Format("{label}. {text}", "A"),
    "letters_bracket": Format("{label}) {text}", "A"),
    "parentheses": Format("({label}) {text}", "A"),
    "brackets": Format("[{label}] {text}", "A"),
    "lowercase": Format("{label}) {text}", "a"),
    "numbers": Format("{label}. {text}", "1"),
    "numbers_bracket": Format("{label}) {text}", "1"),
    "dashes": Format("- {text}", None),
    "stars": Format("* {text}", None),
}


class NotAChoiceError(Exception):
    """The answer is none of the choices."""

    def __init__(self, answer: str, choices: Sequence[str]) -> None:
        self.answer = answer
        shown = ", ".join(shortened(choice, 80) for choice in choices[:10])
        super().__init__(f"{shortened(answer, 80)!r} is none of the choices: {shown}")


def label_of(number: int, labels: Literal["A", "a", "1"]) -> str:
    """The label of an option, counted from 0: A … Z, AA, AB …; or 1, 2 …"""
    if labels == "1":
        return str(number + 1)
    letters = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord(labels) + digit) + letters
    return letters


def option_filters(budget: Budget, draws: Draws) -> dict[str, Callable[..., Any]]:
    """The filters `options` and `option`; which formats are drawn from is known before (`check.option_formats`)."""

    def texts(choices: Iterable[Any]) -> list[str]:
        found = list(choices)
        budget.spend(STEP_COST + sum(len(text) if isinstance(text, str) else STEP_COST for text in found))
        if not found or not all(isinstance(text, str) for text in found):
            raise TypeError("options are a list of texts that is not empty")
        return found

    def written(number: int, text: str, style: Format) -> str:
        label = label_of(number, style.labels) if style.labels else ""
        return style.pattern.format(label=label, text=text)

    # pass_context keeps Jinja from computing a filter over constants once, when it compiles.
    @pass_context
    def options(_context: Any, choices: Iterable[Any], *_formats: str) -> str:
        style = FORMATS[draws.option_format()]
        return "\n".join([written(number, text, style) for number, text in enumerate(texts(choices))])

    @pass_context
    def option(_context: Any, answer: Any, choices: Iterable[Any], part: str = "option") -> str:
        style = FORMATS[draws.option_format()]
        found = texts(choices)
        if answer not in found:
            raise NotAChoiceError(str(answer), found)
        number = found.index(answer)
        if part not in ("option", "label"):
            raise ValueError(f"option: {part!r} is no part of an option; there are 'option' and 'label'")
        if style.labels is None:
            return found[number]
        return label_of(number, style.labels) if part == "label" else written(number, found[number], style)

    return {"options": options, "option": option}
