"""What a chat template writes around the contents of a conversation, learned once for each order of roles.

    <|im_start|>user⏎ ░░░░░ <|im_end|>⏎<|im_start|>assistant⏎ ░░░░░ <|im_end|>⏎
    └──── piece 0 ──┘       └──────────── piece 1 ──────────┘       └─ piece 2 ─┘

It is learned from a conversation of placeholders, whose targets are searched for. A conversation is always rendered by
the template itself; if its text is the scaffold filled with its contents, then its targets are where they are in the
scaffold, and no further rendering is needed to find them. Any other text is searched on its own: a template may trim,
reword or leave out what it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, chain, zip_longest

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.search import FAILURES, Rendered, Target, Unlabelled, search
from instructkit.schema import Message

Shape = tuple[tuple[str, bool], ...]
"""Role of each message, and whether it is trained on."""


@dataclass(frozen=True)
class Place:
    """A target, measured from the content of its message."""

    message: int
    before: int
    """Characters between the target's start and the content's."""
    behind: int
    """Characters between the content's end and the target's."""
    stop: str


@dataclass(frozen=True)
class Scaffold:
    """The text around n contents, and the targets in it."""

    pieces: tuple[str, ...]
    """[n + 1]"""
    places: tuple[Place, ...]

    def explains(self, text: str, contents: list[str]) -> bool:
        """Whether the text is the scaffold filled with these contents, word for word."""
        return text == "".join(chain.from_iterable(zip_longest(self.pieces, contents, fillvalue="")))

    def targets(self, contents: list[str], weights: list[float]) -> tuple[Target, ...]:
        """The targets of a text that the scaffold explains."""
        lengths = chain.from_iterable(zip_longest(map(len, self.pieces), map(len, contents), fillvalue=0))
        ends = list(accumulate(lengths))
        return tuple(
            Target(ends[2 * i] - place.before, ends[2 * i + 1] + place.behind, weights[i], place.stop, i)
            for place in self.places
            for i in (place.message,)
        )


@dataclass
class Scaffolds:
    """The scaffolds of a chat format, learned when they are first needed."""

    chat: ChatFormat
    learned: dict[Shape, Scaffold | None] = field(default_factory=dict)

    def of(self, shape: Shape) -> Scaffold | None:
        """The scaffold of conversations of this shape; None where their text does not keep contents in order."""
        if shape not in self.learned:
            self.learned[shape] = _learn(shape, self.chat)
        return self.learned[shape]


def _learn(shape: Shape, chat: ChatFormat) -> Scaffold | None:
    contents = [f"qZ7slot{i}Zq." for i in range(len(shape))]  # none begins another, and none is the placeholder
    messages = [Message(role=role, content=content) for (role, _), content in zip(shape, contents, strict=True)]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    try:
        text, marks = chat.render(turns)
        given = Rendered(messages, turns, None, text, marks)
        targets = [search(given, i, 1.0, chat) for i, (_, trained) in enumerate(shape) if trained]
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
        places.append(Place(target.message, begin - target.start, target.end - end, target.stop))
    pieces.append(rest)
    for place in places:
        ahead, behind = len(pieces[place.message]), len(pieces[place.message + 1])
        if not (0 <= place.before <= ahead and 0 <= place.behind <= behind):
            return None
    return Scaffold(tuple(pieces), tuple(places))
