"""Watching template files: which of the chosen templates changed, by the content of all that they are made of.

Content, not the time of the last change: two saves within one tick of a file system's clock are told apart, and a
`touch` redraws nothing. Files are read 25 times a second; three small ones take 0.1 ms.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from instructkit.report.preview.choice import Choice
from instructkit.templates.template import SUFFIX

POLL_S = 0.04
GONE_S = 0.3
"""How long a file may be missing or empty before that counts: some editors take it away for a moment."""
IMPORT = re.compile(rb"""\b(?:import|from)\s*["']([^"'\n]+)["']""")
"""What may be an import; found in templates at fault too, where Jinja finds nothing."""

Files = dict[Path, bytes | None]
"""Content by path; None where there is no file."""


def files_of(choice: Choice) -> Files:
    """All that a template is made of: its file, and what it and its imports name in any of the template folders."""
    found: Files = {}
    pending: list[tuple[str, tuple[Path, ...]]] = [(choice.name + SUFFIX, (choice.folder,))]
    seen: set[str] = set()
    while pending:
        name, folders = pending.pop()
        if name in seen or ".." in name or name.startswith("/"):
            continue
        seen.add(name)
        for folder in dict.fromkeys(folders):
            path = folder / name
            try:
                content: bytes | None = path.read_bytes()
            except OSError:
                content = None
            found[path] = content
            if content is not None:
                names = [match.decode("utf-8", "replace") for match in IMPORT.findall(content)]
                pending += [(each, (choice.folder, *choice.folders)) for each in names]
                break
    return found


def changes(
    choices: Sequence[Choice], sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Iterator[list[int]]:
    """The numbers of the templates that changed, each time some did; first of all of them. Never ends."""
    seen = [files_of(choice) for choice in choices]
    unsettled: dict[int, float] = {}
    yield list(range(len(choices)))
    while True:
        sleep(POLL_S)
        changed = []
        for number, choice in enumerate(choices):
            now = files_of(choice)
            if now == seen[number]:
                unsettled.pop(number, None)
                continue
            if _is_unsettled(now, seen[number]) and clock() - unsettled.setdefault(number, clock()) < GONE_S:
                continue
            unsettled.pop(number, None)
            seen[number] = now
            changed.append(number)
        if changed:
            yield changed


def _is_unsettled(now: Files, before: Files) -> bool:
    """Whether a file that was there is missing or empty."""
    return any(not now.get(path) and content for path, content in before.items())
