"""How much one row may cost: counted, never timed, because a clock would drop other rows on a busy machine.

Templates come from strangers. Whatever can multiply (loops, calls, `*`, `**`, `+`, `~`, padding, joining, replacing)
is charged *before* it is done, in characters of work; what a message may hold is bounded apart from that.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import Undefined

MAX_MESSAGE_CHARACTERS = 1_000_000
"""The longest message a template may make; a longer one is a drop, never cut."""

MAX_WORK = 200_000_000
"""Characters of work a row may cost: about a second on one core, and 200 MB of memory at the very worst."""

STEP_COST = 2_000
"""What a turn of a loop, or a call, costs beside the text it makes: a row has 100,000 of them."""

ITEM_COST = 100
"""What an item of a collection costs: a row handles two million of them."""

SEARCH_COST = 12
"""What searching a text costs, per character of it."""

MAX_RANGE = 100_000
MAX_DEPTH = 50
"""Calls inside calls (macros that call themselves)."""

MAX_BITS = 4_096
"""The longest integer an operator may make."""

_WIDE = re.compile(r"%[^%a-zA-Z]*(\*|\d{5})")


class WorkExceeded(Exception):
    """A row costs more than it may."""


class TooLong(Exception):
    """A message, or a piece of one, is longer than a message may be."""

    def __init__(self, characters: int) -> None:
        self.characters = characters
        super().__init__(f"{characters:,} characters are more than a message may have ({MAX_MESSAGE_CHARACTERS:,})")


class Budget:
    """What a row has spent so far."""

    __slots__ = ("depth", "spent")

    def __init__(self) -> None:
        self.spent = 0
        self.depth = 0

    def reset(self) -> None:
        """Begin a row."""
        self.spent = 0
        self.depth = 0

    def spend(self, characters: int) -> None:
        """Charge for work about to be done. Raises WorkExceeded."""
        self.spent += characters
        if self.spent > MAX_WORK:
            raise WorkExceeded(
                f"the row costs more than {MAX_WORK:,} characters of work (a loop step or a call costs {STEP_COST:,}); "
                "loop over less, or cut the document into parts before rendering"
            )

    def steps(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items, each charged as it is taken."""
        for item in items:
            self.spend(STEP_COST)
            yield item

    def weigh(self, value: Any) -> Any:
        """The value, charged by its size as a tree: a list that holds itself twice, thirty times over, is refused."""
        if type(value) is not str:
            stack = [value]
            while stack:
                part = stack.pop()
                self.spend(weight(part))
                if part is not value and isinstance(part, Undefined):
                    str(part)  # raises: inside of a list it would be printed as a word
                if isinstance(part, dict):
                    stack.extend(part.values())
                elif isinstance(part, (list, tuple)):
                    stack.extend(part)
        return value

    def measure(self, value: Any) -> Any:
        """The value, charged by all that comparing or hashing it may read."""
        if type(value) is str:
            self.spend(len(value))
            return value
        return self.weigh(value)

    def search(self, where: Any) -> Any:
        """What is searched, charged: finding a short text may read each character a dozen times."""
        if type(where) is str:
            self.spend(SEARCH_COST * len(where))
            return where
        return self.weigh(where)

    def join(self, parts: Iterable[str]) -> str:
        """One text from its pieces, bounded as a message is."""
        pieces = parts if type(parts) is list else list(parts)
        total = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
        if total > MAX_MESSAGE_CHARACTERS:
            raise TooLong(total)
        self.spent += total
        if self.spent > MAX_WORK:
            self.spend(0)  # raises
        return "".join(pieces)

    def range(self, *bounds: int) -> range:
        """`range` of at most 100,000 numbers."""
        numbers = range(*bounds)
        if len(numbers) > MAX_RANGE:
            raise WorkExceeded(f"range of {len(numbers):,} numbers; at most {MAX_RANGE:,} are allowed")
        self.spend(ITEM_COST * len(numbers))
        return numbers

    def operate(self, symbol: str, left: Any, right: Any) -> Any:
        """`+`, `*`, `**` and `%`, after a look at what they would make."""
        if symbol == "%":
            if isinstance(left, str):
                self.spend_format(left, right)
            return left % right
        if isinstance(left, int) and isinstance(right, int):
            bits = {
                "+": max(left.bit_length(), right.bit_length()) + 1,
                "*": left.bit_length() + right.bit_length(),
                "**": left.bit_length() * max(right, 1),
            }[symbol]
            if bits > MAX_BITS:
                raise WorkExceeded(f"a number of {bits:,} bits; at most {MAX_BITS:,} are allowed")
        elif symbol == "*":
            times = left if isinstance(left, int) else right
            thing = right if isinstance(left, int) else left
            if isinstance(times, int) and isinstance(thing, (str, list, tuple)):
                self.spend(max(times, 0) * weight(thing))
        elif symbol == "+":
            self.spend(weight(left) + weight(right))
        return _OPERATORS[symbol](left, right)

    def spend_format(self, pattern: str, values: Any) -> None:
        """Charge for `pattern % values`; a width of five digits or `*` is refused."""
        if _WIDE.search(pattern):
            raise WorkExceeded("a format of more than 9,999 characters' width; pad less")
        parts = (
            values if isinstance(values, tuple) else tuple(values.values()) if isinstance(values, dict) else (values,)
        )
        widest = 0
        for part in parts:
            before = self.spent
            self.measure(part)
            check_printable(part)
            widest = max(widest, self.spent - before)
        self.spend(len(pattern) + pattern.count("%") * (widest + 9_999 * bool(re.search(r"%[^%a-zA-Z]*\d", pattern))))


VIEWS = frozenset({type({}.keys()), type({}.values()), type({}.items())})
COLLECTIONS = frozenset({list, tuple, dict, range}) | VIEWS
_OPERATORS = {"+": operator.add, "*": operator.mul, "**": operator.pow}


def weight(value: Any) -> int:
    """What handling a value once costs: its characters, or its items, which are dearer."""
    if type(value) is str:
        return len(value)
    if type(value) is int:
        return 1 + value.bit_length() // 3
    return ITEM_COST * (len(value) + 1) if type(value) in COLLECTIONS else 1


PRINTABLE = (str, int, float, list, tuple, dict, Undefined)


def check_printable(value: Any) -> None:
    """Raises TypeError for what has no place in a message: none, and functions and generators, also inside of lists.

    Python would print the place in memory of these: other text in each run.
    """
    if value is None:
        raise TypeError("none would be printed as text; guard it with {% if %} or the default filter")
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, (list, tuple)):
            pending += part
        elif isinstance(part, dict):
            pending += [*part.keys(), *part.values()]
        elif part is not None and not isinstance(part, PRINTABLE):
            raise TypeError(f"a {type(part).__name__} is no text; make a list of it, or join it")
