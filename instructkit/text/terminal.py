"""Text from data as a terminal may have it."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with spaces for what does not print: control characters (C0, C1), line breaks, signs that turn the
    direction of writing. What stands in a row, a name of a split or an id tells the terminal nothing.
    """
    return "".join(letter if letter.isprintable() else " " for letter in text)
