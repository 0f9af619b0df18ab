"""`choice`, `shuffle` and `sample` for templates: drawn by seed, example and the how-manieth draw of the row.

{{ ["Explain", "Describe"] | choice }} this code.        same row, same seed: same word, on any machine
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import pass_context

from instructkit.hashing import uniform


def drawn_phrasing(seed: int, example_id: str, phrasings: int) -> int:
    """Which of so many phrasings an example has."""
    return int(uniform(seed, example_id, "phrasing") * phrasings)


class Draws:
    """The draws of one row; `begin` starts the next."""

    def __init__(self, formats: Sequence[str] = ()) -> None:
        self.formats = formats
        """Formats of answer options to draw from."""
        self.begin(0, "")

    def begin(self, seed: int, example_id: str, option_format: str | None = None) -> None:
        """Start a row: its draws depend on the seed, its id and their order in the template."""
        self.seed, self.example_id, self.count, self.drawn_format = seed, example_id, 0, option_format

    def phrasing(self, phrasings: int) -> int:
        """Which of so many phrasings the row has."""
        return drawn_phrasing(self.seed, self.example_id, phrasings)

    def option_format(self) -> str:
        """The format of answer options, drawn when a row first asks for it."""
        if self.drawn_format is None:
            drawn = uniform(self.seed, self.example_id, "options")
            self.drawn_format = self.formats[int(drawn * len(self.formats))]
        return self.drawn_format

    def _next(self) -> str:
        self.count += 1
        return str(self.count)

    # pass_context keeps Jinja from computing a filter over constants once, when it compiles.
    @pass_context
    def choice(self, _context: Any, items: Iterable[Any]) -> Any:
        """One of the items. Raises ValueError when there are none."""
        pool = list(items)
        if not pool:
            raise ValueError("choice of nothing: the list is empty")
        return pool[int(uniform(self.seed, self.example_id, self._next()) * len(pool))]

    @pass_context
    def shuffle(self, _context: Any, items: Iterable[Any]) -> list[Any]:
        """All items in a drawn order."""
        return self._order(list(items))

    @pass_context
    def sample(self, _context: Any, items: Iterable[Any], size: int) -> list[Any]:
        """`size` of the items, none twice, in a drawn order. Raises ValueError when there are fewer."""
        pool = list(items)
        if not 0 <= size <= len(pool):
            raise ValueError(f"sample of {size} from {len(pool)} items")
        return self._order(pool)[:size]

    def _order(self, pool: list[Any]) -> list[Any]:
        draw = self._next()
        keys = [uniform(self.seed, self.example_id, draw, str(i)) for i in range(len(pool))]
        return [pool[i] for i in sorted(range(len(pool)), key=keys.__getitem__)]
