"""What standard output is: a terminal of some width, with colours or without, or a pipe."""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size


def terminal() -> tuple[int | None, bool]:
    """Columns of the terminal, None where there is none, and whether it has and may use colours (no-color.org)."""
    if not sys.stdout.isatty():
        return None, False
    return get_terminal_size().columns, not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
