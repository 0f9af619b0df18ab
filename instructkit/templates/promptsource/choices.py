"""`answer_choices`: in the front matter where they are the same for every row, else a variable above the blocks.

Yes ||| No                        choices: ["Yes", "No"]
{{ options | join("|||") }}       {% set answer_choices = options | map("string") | map("trim") | list %}
{{ option1 }} ||| {{ option2 }}   {% set answer_choices = [option1 | trim, option2 | trim] %}
anything else                     {% set listed %}…{% endset %}{% set answer_choices = listed.split("|||") | … %}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from instructkit.templates.promptsource.names import free, reads, sets
from instructkit.templates.promptsource.originals import SEPARATOR, Original
from instructkit.templates.promptsource.pieces import Group, Pieces, Print, Set, Text, read_pieces, walk
from instructkit.templates.promptsource.rewrite import each_code, rename, rewrite

VARIABLE = "answer_choices"
_JOINED = re.compile(r"(?P<list>[\w.\[\]'\"]+)\s*\|\s*join\(\s*(['\"])\s*\|\|\|\s*\2\s*\)\Z")
_SIMPLE = re.compile(r"[\w.]+(\[[\w'\"-]+\])*\Z")


@dataclass(frozen=True)
class Choices:
    """What became of them."""

    pieces: Pieces
    """The template, with the variable's name as it is in the result."""
    above: Pieces = ()
    """What sets them, for above the blocks."""
    front: tuple[str, ...] | str | None = None
    """For the front matter: the texts, or the input that holds them."""
    warning: str | None = None


def place_choices(original: Original, pieces: Pieces) -> Choices:
    """Decide where the choices of a template go. Raises NotConverted."""
    if original.answer_choices is None:
        return Choices(pieces)
    used = VARIABLE in reads(pieces)
    taken = {"choices"} & (free(pieces) | {name for piece in walk(pieces) for name in sets(piece)})
    fixed = original.choices()
    if fixed is not None:
        if not taken and len(fixed) > 1 and all(fixed) and len(set(fixed)) == len(fixed):
            renamed = each_code(pieces, lambda code: rename(code, VARIABLE, "choices")) if used else pieces
            return Choices(renamed, front=tuple(fixed))
        if used:
            return Choices(pieces, (Set(VARIABLE, "[" + ", ".join(map(quoted, fixed)) + "]"),))
        return Choices(
            pieces, warning=f"its text uses no choices, and 'choices' cannot hold: {original.answer_choices}"
        )
    joined = _JOINED.match(_only_print(original.answer_choices) or "")
    front = joined["list"] if joined and joined["list"] in free(pieces) and taken <= {joined["list"]} else None
    if used:
        return Choices(pieces, _computed(original.answer_choices), front)
    warning = None if front else f"its text does not use its choices; they are left out: {original.answer_choices}"
    return Choices(pieces, front=front, warning=warning)


def quoted(text: str) -> str:
    """A text as a string of Jinja's."""
    return json.dumps(text, ensure_ascii=False)


def _only_print(source: str) -> str | None:
    pieces = [piece for piece in read_pieces(source) if not (isinstance(piece, Text) and not piece.data.strip())]
    return pieces[0].code if len(pieces) == 1 and isinstance(pieces[0], Print) else None


def _computed(source: str) -> Pieces:
    if joined := _JOINED.match(_only_print(source) or ""):
        return (Set(VARIABLE, f'{joined["list"]} | map("string") | map("trim") | list'),)
    pieces = read_pieces(source)
    whole = [isinstance(piece, Text) or (isinstance(piece, Print) and SEPARATOR not in piece.code) for piece in pieces]
    if not all(whole):
        cut = Set(VARIABLE, f'listed.split("{SEPARATOR}") | map("trim") | list')
        return (Group("set", "listed", rewrite(pieces)), cut)
    found: list[list[str]] = [[]]
    for piece in rewrite(pieces):
        if isinstance(piece, Print):
            found[-1].append(piece.code if _SIMPLE.match(piece.code) else f"({piece.code})")
        elif isinstance(piece, Text):
            first, *more = piece.data.split(SEPARATOR)
            for i, text in enumerate([first, *more]):
                if i:
                    found.append([])
                if text.strip():
                    found[-1].append(quoted(text))
    items = [f"{parts[0]} | trim" if len(parts) == 1 else f"({' ~ '.join(parts)}) | trim" for parts in found if parts]
    return (Set(VARIABLE, "[" + ", ".join(items) + "]"),)
