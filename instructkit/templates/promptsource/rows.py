"""Rows made up for a template: values of the types that it expects, for its tests and for the comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instructkit.hashing import uniform
from instructkit.templates.promptsource.originals import Original
from instructkit.templates.promptsource.pieces import PLAIN
from instructkit.templates.promptsource.shapes import Shape, read_shapes

Texts = Callable[[str, int], str]
"""Makes a text of where it stands (`answers.text.0`) and the number of the row."""
WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbour",
    "island",
    "juniper",
    "kelp",
    "lagoon",
)
MAX_DEPTH = 12


def plain_text(place: str, row: int) -> str:
    """A text that says where it stands, so that mixing two of them up shows."""
    words = [WORDS[int(uniform(row, place, str(i)) * len(WORDS))] for i in range(1 + int(uniform(row, place) * 3))]
    return " ".join([place.replace("_", " ").replace(".", " "), *words])


def made_rows(original: Original, count: int, texts: Texts = plain_text) -> list[dict[str, Any]]:
    """Rows for a template, the same ones each time. Raises jinja2.TemplateSyntaxError."""
    sources = [source for source in (original.answer_choices, original.jinja) if source is not None]
    fixed = original.choices()
    shapes = read_shapes([PLAIN.parse(source) for source in sources], len(fixed) if fixed else None)
    shapes.pop("answer_choices", None)
    return [_Row(original.id, number, texts).fill(shapes) for number in range(count)]


def emptied(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row with each of its texts, lists and dictionaries empty in turn."""
    return [{**row, name: type(value)()} for name, value in row.items() if isinstance(value, str | list | dict)]


class _Row:
    """One row: all of its lists are of one length, as columns that belong together are."""

    def __init__(self, key: str, number: int, texts: Texts) -> None:
        self.key, self.number, self.texts = key, number, texts
        self.length = (3, 2, 4, 1, 5)[number % 5]
        self.filled: dict[int, Any] = {}

    def fill(self, shapes: dict[str, Shape]) -> dict[str, Any]:
        """A row. Twice: the second time it is known what is to be looked for, and what in."""
        for _ in range(2):
            row = {name: self.value(shape, name, 0) for name, shape in shapes.items()}
        return row

    def _draw(self, place: str, size: int) -> int:
        return int(uniform(self.number, self.key, place) * size)

    def value(self, shape: Shape, place: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self.texts(place, self.number)
        found = self._value(shape, place, depth)
        self.filled[id(shape)] = found
        return found

    def _value(self, shape: Shape, place: str, depth: int) -> Any:
        numbered = shape.fields and all(name.isdigit() for name in shape.fields)
        if (shape.fields and not numbered) or shape.pairs:
            named = {name: self.value(part, f"{place}.{name}", depth + 1) for name, part in shape.fields.items()}
            return named or {word: self.texts(f"{place}.{word}", self.number) for word in WORDS[:2]}
        if shape.one_of is not None and self._draw(place + "?", 4):
            items = self.filled.get(id(shape.one_of)) or (
                [self.filled[id(shape.one_of.item)]] if id(shape.one_of.item) in self.filled else []
            )
            if items and isinstance(items, list):
                at = self._draw(place, len(items))
                return at if shape.is_number else items[at]
        if shape.is_number and shape.below is None and shape.one_of is not None:
            return self._draw(place, max(self.length, 1))
        if shape.constants and not shape.item:
            return self._one_of(shape, place)
        if shape.item is not None or numbered:
            size = max(shape.at_least, self.length, *(int(name) + 1 for name in shape.fields))
            inner = shape.item or Shape()
            parts = [shape.fields.get(str(i), inner) for i in range(size)]
            return [self.value(part, f"{place}.{i}", depth + 1) for i, part in enumerate(parts)]
        if shape.is_number:
            return self._draw(place, shape.below or 5)
        return self.texts(place, self.number)

    def _one_of(self, shape: Shape, place: str) -> Any:
        known = [value for value in shape.constants if not (shape.is_number and isinstance(value, str))]
        if any(isinstance(value, bool) for value in known):
            return bool(self._draw(place, 2))
        numbers = [value for value in known if isinstance(value, int | float)]
        if numbers:
            # A label is compared with some of its values, or with -1 for "none": the others are near.
            near = (
                range(max(int(min(numbers)), 0), int(max(numbers)) + 2) if shape.below is None else range(shape.below)
            )
            options: list[Any] = [*numbers, *near]
        else:
            options = [*known, self.texts(place, self.number)]
        return options[self._draw(place, len(options))]
