"""Which input each column of a draft becomes: by its own name, as the document's `text`, or by a name made for it.

What a template can read is what an ingest step makes of a column: one column, or a place inside of one
(`article.body`), becomes the document's `text`, whatever it is called; the others are fields. A field whose name is
that of a variable, in any script, is an input of that name; for another one a name is made, and `columns` of the render
step says which column it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from instructkit.report.draft.columns import Column
from instructkit.report.draft.guess import Guess
from instructkit.stages.render.values import OWN_FIELDS
from instructkit.templates.frontcheck import RESERVED, is_name, likely_name
from instructkit.templates.rendering import OF_THE_DOCUMENT

OFTEN = 0.02
"""Share of rows without a value from which on a prompt goes without it, instead of the rows being dropped."""
TAKEN = frozenset({*OF_THE_DOCUMENT, "phrasing", "phrasing_name"})
PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
"""Of a nested text that an ingest can reach: a dotted path through objects."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The names by which a draft reads its columns."""

    text: str
    """What the ingest is to take as the text: a column or a dotted path."""
    names: dict[str, str]
    """Input by column, in the order of the draft; the text's is "text"."""
    columns: dict[str, str] = field(default_factory=dict)
    """What the render step is to be told: input → column, for those that have another name."""

    def expression(self, column: Column) -> str:
        """How the draft reads a column or a place inside of it."""
        if column.expression == self.text:
            return "text"
        return self.names[column.root] + column.expression.removeprefix(column.root)


def inputs_of(guess: Guess, columns: Sequence[Column]) -> Inputs:
    """The inputs of a draft. `columns`: all that the file has."""
    text = _text(guess, columns)
    names: dict[str, str] = {}
    made: dict[str, str] = {}
    for column in [*guess.material, guess.target, *([guess.options] if guess.options else []), *guess.lettered]:
        if column.expression == text:
            names[text] = "text"
        elif column.root not in names:
            names[column.root] = column.root
            if not _is_free(column.root, guess):
                taken = {*(c.root for c in columns), *names.values(), *TAKEN}
                name = names[column.root] = _new_name(column.root, taken, guess)
                is_hidden = column.root in (*OF_THE_DOCUMENT, "") or column.root.startswith(OWN_FIELDS)
                made[name] = OWN_FIELDS + column.root if is_hidden else column.root
    return Inputs(text=text, names=names, columns=made)


def _text(guess: Guess, columns: Sequence[Column]) -> str:
    """The column `text` if there is one; else the main one of the prompt, or one twice as long, or the answer."""
    if any(c.expression == "text" for c in columns):
        return "text"
    used = [c for c in [*guess.material, guess.target] if c.kind == "string"]
    most = max((c.length for c in guess.material), default=0)
    whole = sorted((c for c in used if not c.nested), key=lambda c: (c.missing > OFTEN, 2 * c.length < most))
    placed = [c for c in used if c.nested and PLACE.fullmatch(c.expression)]
    # A document has a text in any case.
    anything = [c for c in columns if c.kind == "string" and not c.nested and not c.missing]
    found = [*whole, *placed, *anything]
    return found[0].expression if found else "text"


def _is_free(name: str, guess: Guess) -> bool:
    options = guess.options.root if guess.options else None
    is_free = name not in TAKEN and (name != "choices" or name == options or guess.choices is None)
    return is_name(name) and name.lower() not in RESERVED and is_free


def _new_name(column: str, taken: set[str], guess: Guess) -> str:
    plain = likely_name(column)
    first = plain if _is_free(plain, guess) else f"{plain}_field"
    name, number = first, 2
    while name in taken:
        name, number = f"{first}_{number}", number + 1
    return name
