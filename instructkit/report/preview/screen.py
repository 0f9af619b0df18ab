"""A drawing that stays where it is: as much as fits on the screen, from its top, with a line about it below."""

from __future__ import annotations

from collections.abc import Sequence

import click

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def screenful(lines: Sequence[str], said: str, columns: int, rows: int) -> str:
    """What to write to a terminal of that size so that it shows the beginning of `lines`, and `said` below.

    Written over what is there, line by line: an emptied screen would flicker.
    """
    room = max(rows - 2, 1)
    shown = list(lines[:room])
    rest = len(lines) - len(shown)
    if rest:
        shown[-1:] = []
        below = f"… {rest + 1:,} more lines: make the window taller, lower --limit, or leave --watch out"
        shown.append(click.style(below[:columns], dim=True))
    return (
        HOME
        + "".join(f"{line}{CLEAR_LINE}\n" for line in [*shown, click.style(said[: columns - 1], reverse=True)])
        + CLEAR_BELOW
    )
