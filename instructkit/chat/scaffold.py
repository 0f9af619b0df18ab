"""What a chat template writes around the contents of a conversation, learned once for each order of roles.

    <|im_start|>user⏎ ░░░░░ <|im_end|>⏎<|im_start|>assistant⏎ ░░░░░ <|im_end|>⏎
    └──── piece 0 ──┘       └──────────── piece 1 ──────────┘       └─ piece 2 ─┘

It is learned from a conversation of placeholders, whose targets are searched for. A conversation is always rendered by
the template itself; if its text is the scaffold filled with its contents, then its targets are where they are in the
scaffold, and no further rendering is needed to find them. Any other text is searched on its own: a template may trim,
reword or leave out what it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.search import FAILURES, Rendered, Target, Unlabelled, search
from instructkit.schema import Message
from instructkit.text.conversation import PLAIN_TEXT, trained_weight

Shape = tuple[tuple[str, ...], tuple[float | None, ...]]
"""Role and weight of each message."""


class Place(NamedTuple):
    """A target, measured from the content of its message."""

    message: int
    before: int
    """Characters between the target's start and the content's."""
    behind: int
    """Characters between the content's end and the target's."""
    stop: str
    weight: float


@dataclass(frozen=True)
class Scaffold:
    """The text around n contents, and the targets in it."""

    pieces: tuple[str, ...]
    """[n + 1]"""
    places: tuple[Place, ...]

    def explains(self, text: str, contents: Sequence[str]) -> bool:
        """Whether the text is the scaffold filled with these contents, word for word."""
        parts = [""] * (2 * len(contents) + 1)
        parts[::2] = self.pieces
        parts[1::2] = contents
        return text == "".join(parts)

    def targets(self, contents: Sequence[str], weight: float) -> tuple[Target, ...]:
        """The targets of a text that the scaffold explains, in an example of that weight."""
        ends, end = [], 0
        for piece, content in zip(self.pieces, contents, strict=False):
            end += len(piece) + len(content)
            ends.append(end)
        return tuple(
            Target(ends[i] - len(contents[i]) - before, ends[i] + behind, own * weight, stop, i)
            for i, before, behind, stop, own in self.places
        )


@dataclass
class Scaffolds:
    """The scaffolds of a chat format, learned when they are first needed."""

    chat: ChatFormat
    learned: dict[Shape, Scaffold | None] = field(default_factory=dict)

    def of(self, roles: Sequence[str], weights: Sequence[float | None]) -> Scaffold | None:
        """The scaffold of conversations of this shape; None where their text does not keep contents in order."""
        shape = (tuple(roles), tuple(weights))
        if shape not in self.learned:
            self.learned[shape] = _learn(shape, self.chat)
        return self.learned[shape]


def _learn(shape: Shape, chat: ChatFormat) -> Scaffold | None:
    if PLAIN_TEXT in shape[0]:
        return None
    contents = [f"qZ7slot{i}Zq." for i in range(len(shape[0]))]  # none begins another, and none is the placeholder
    messages = [
        Message(role=role, weight=weight, content=content)
        for role, weight, content in zip(*shape, contents, strict=True)
    ]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    try:
        text, marks = chat.render(turns)
        given = Rendered(messages, turns, None, text, marks)
        targets = [search(given, i, w, chat) for i, m in enumerate(messages) if (w := trained_weight(m)) > 0]
    except (Unlabelled, *FAILURES):
        return None
    pieces, rest, ends = [], text, []
    for content in contents:
        piece, found, rest = rest.partition(content)
        if not found or content in rest:
            return None
        pieces.append(piece)
        ends.append(len(text) - len(rest))
    places = []
    for target in targets:
        begin, end = ends[target.message] - len(contents[target.message]), ends[target.message]
        places.append(Place(target.message, begin - target.start, target.end - end, target.stop, target.weight))
    pieces.append(rest)
    for place in places:
        ahead, behind = len(pieces[place.message]), len(pieces[place.message + 1])
        if not (0 <= place.before <= ahead and 0 <= place.behind <= behind):
            return None
    return Scaffold(tuple(pieces), tuple(places))
