"""White space that nobody sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from jinja2 import nodes

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Subject

TRAILING = re.compile(r"[ \t\u00a0\u3000]+\Z")


def trailing_space(subject: Subject) -> Iterator[Hit]:
    """White space that the template writes at the end of a line, and that stays in the message."""
    pinned = {wording.line for wording in subject.head.wordings if not wording.literal}
    for block in subject.blocks:
        texts = list(_texts(block.node.body))
        last = max((i for i, text in enumerate(texts) if text.data.strip()), default=-1)
        # After the last word of all there may be an expression; only what stands behind everything is surely stripped.
        ends = bool(texts) and texts[-1] is _last(block.node.body)
        for i, text in enumerate(texts):
            lines = text.data.split("\n")
            for n, line in enumerate(lines[:-1]):
                tail = "\n".join(lines[n + 1 :])
                if (line.strip() or i or n) and not (ends and i == len(texts) - 1 and not tail.strip() and i >= last):
                    yield from _hit(subject, text.lineno + (0 if text.lineno in pinned else n), line)


def _hit(subject: Subject, number: int, line: str) -> Iterator[Hit]:
    found = TRAILING.search(line)
    source = subject.lines[number - 1] if 0 < number <= len(subject.lines) else ""
    if found:
        # A wording in quotes has its line's end within the line of the file.
        column = len(TRAILING.sub("", source)) + 1 if TRAILING.search(source) else 0
        yield Hit(number, column, f"white space at the end of the line stays in the message; remove it {found[0]!r}")


def _texts(body: Iterable[nodes.Node]) -> Iterator[nodes.TemplateData]:
    for node in body:
        yield from node.find_all(nodes.TemplateData)


def _last(body: list[nodes.Node]) -> nodes.Node | None:
    """What a block prints last, where that is no branch or loop."""
    return body[-1].nodes[-1] if body and isinstance(body[-1], nodes.Output) else None
