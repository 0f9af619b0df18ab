"""Which input each column of a draft becomes: by its own name, as the document's `text`, or by a name to be given.

What a template can read is what an ingest step makes of a column: one column, or a place inside of one
(`article.body`), becomes the document's `text`, whatever it is called; the others keep their names, which have to be
names of variables.
`id`, `source` and `language` are the document's own. A column that cannot be read so is left out of the prompt, or
where the draft cannot do without it, needs another name in the file, and the draft says how.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from instructkit.report.draft.columns import Column
from instructkit.report.draft.guess import Guess, role_of
from instructkit.templates.frontcheck import RESERVED, is_name

OFTEN = 0.02
"""Share of rows without a value from which on a prompt goes without it, instead of the rows being dropped."""
TAKEN = frozenset({"text", "id", "source", "language", "phrasing", "phrasing_name"})
PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
"""Of a nested text that an ingest can reach: a dotted path through objects."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The names by which a draft reads its columns."""

    text: str
    """What the ingest is to take as the text: a column or a dotted path."""
    names: dict[str, str]
    """Input by column, in the order of the draft; the text's is "text"."""
    renames: dict[str, str] = field(default_factory=dict)
    """Columns that need another name in the file first: from, to."""

    def expression(self, column: Column) -> str:
        """How the draft reads a column or a place inside of it."""
        if column.expression == self.text:
            return "text"
        return self.names[column.root] + column.expression.removeprefix(column.root)


def readable(guess: Guess, columns: Sequence[Column]) -> Guess:
    """The guess without those parts of the prompt that cannot be read by their names, the main one excepted."""
    text = _text(guess, columns)
    left_out = {
        c.expression: f"left out: an input cannot be called '{c.root}'; to use it, rename it in the file"
        for c in guess.material[1:]
        if c.expression != text and not _is_name(c.root, guess)
    }
    material = [column for column in guess.material if column.expression not in left_out]
    return replace(guess, material=material, reasons={**guess.reasons, **left_out})


def inputs_of(guess: Guess, columns: Sequence[Column]) -> Inputs:
    """The inputs of a draft. `columns`: all that the file has."""
    text = _text(guess, columns)
    used = [*guess.material, guess.target, *([guess.options] if guess.options else [])]
    names: dict[str, str] = {}
    renames: dict[str, str] = {}
    for column in used:
        if column.expression == text:
            names[text] = "text"
        elif column.root not in names:
            names[column.root] = column.root
            if not _is_name(column.root, guess):
                taken = {*(c.root for c in columns), *names.values(), *TAKEN}
                names[column.root] = renames[column.root] = _new_name(column, taken, guess)
    return Inputs(text=text, names=names, renames=renames)


def _text(guess: Guess, columns: Sequence[Column]) -> str:
    """The column `text` if there is one; else one that has to be, for its name; else the main one of the prompt."""
    if any(c.expression == "text" for c in columns):
        return "text"
    used = [c for c in [*guess.material, guess.target] if c.kind == "string"]
    whole = sorted((c for c in used if not c.nested), key=lambda c: c.missing > OFTEN)
    unnamed = [c for c in whole if not _is_name(c.root, guess)]
    placed = [c for c in used if c.nested and PLACE.fullmatch(c.expression)]
    # A document has a text in any case.
    anything = [c for c in columns if c.kind == "string" and not c.nested and not c.missing]
    found = [*unnamed, *whole, *placed, *anything]
    return found[0].expression if found else "text"


def _is_name(name: str, guess: Guess) -> bool:
    options = guess.options.root if guess.options else None
    is_free = name not in TAKEN and (name != "choices" or name == options or guess.choices is None)
    return is_name(name) and name.lower() not in RESERVED and is_free


def _new_name(column: Column, taken: set[str], guess: Guess) -> str:
    plain = re.sub(r"[\W_]+", "_", column.root).strip("_").lower()
    first = plain if _is_name(plain, guess) else role_of(column) or "column"
    name, number = first, 2
    while name in taken:
        name, number = f"{first}_{number}", number + 1
    return name
