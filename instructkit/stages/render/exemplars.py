"""Exemplars: other documents that a template has rendered, drawn for an example and shown before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import polars as pl

from instructkit.hashing import canonical_json, group_atoms, uniform
from instructkit.templates.turns import Rendered, Turn
from instructkit.text.conversation import trained_weight

POOL = pl.Schema({"exemplar": pl.String(), "group": pl.String(), "place": pl.Float64(), "rendered": pl.String()})
"""Columns of a pool: the document's id and group, its seeded hash in [0, 1), and the conversation as JSON."""


class Exemplar(NamedTuple):
    """A rendered document of the training split."""

    id: str
    """Of the document."""
    group: str
    place: float
    rendered: Rendered


def write_pool(exemplars: Iterable[Exemplar]) -> pl.DataFrame:
    """Columns of `POOL`."""
    rows = [(e.id, e.group, e.place, msgspec.json.encode(e.rendered).decode()) for e in exemplars]
    return pl.DataFrame(rows, schema=POOL, orient="row")


def read_pool(pool: pl.DataFrame) -> list[Exemplar]:
    """The exemplars of a frame with columns of `POOL`, in its order."""
    read = msgspec.json.Decoder(Rendered).decode
    return [Exemplar(name, group, place, read(text)) for name, group, place, text in pool.select(POOL.names()).rows()]


class Pool:
    """Exemplars to draw from."""

    def __init__(self, exemplars: Sequence[Exemplar], seed: int) -> None:
        self._seed = seed
        self._alike: dict[tuple[str | None, str | None], tuple[list[Exemplar], list[Exemplar]]] = {}
        self._exemplars = exemplars

    def draw(self, count: int, example_id: str, group: str, rendered: Rendered) -> list[Exemplar]:
        """`count` exemplars for a rendered example, none twice, and no two of one group nor of its own, joint ones
        by their atoms; fewer where there are too few.

        They have the example's tools. Those of which the same was drawn (wording, format of options) come first: a
        prompt that asks in one way throughout is what a reader expects.
        """
        drawn: list[Exemplar] = []
        draws = 0
        taken = set(group_atoms(group))
        for exemplars in self._candidates(rendered):
            # The first places of a shuffle (Fisher and Yates) that is never made in full.
            moved: dict[int, int] = {}
            for i in range(len(exemplars)):
                if len(drawn) == count:
                    return drawn
                draws += 1
                j = i + int(uniform(self._seed, "exemplars", example_id, str(draws)) * (len(exemplars) - i))
                place, moved[j] = moved.get(j, j), moved.get(i, i)
                atoms = group_atoms(exemplars[place].group)
                if taken.isdisjoint(atoms):
                    taken.update(atoms)
                    drawn.append(exemplars[place])
        return drawn

    def _candidates(self, rendered: Rendered) -> tuple[list[Exemplar], list[Exemplar]]:
        """(those with the same tools and variant, those with the same tools and another variant)."""
        key = rendered.tools, rendered.variant
        if key not in self._alike:
            same = [e for e in self._exemplars if e.rendered.tools == rendered.tools]
            self._alike[key] = (
                [e for e in same if e.rendered.variant == rendered.variant],
                [e for e in same if e.rendered.variant != rendered.variant],
            )
        return self._alike[key]


def is_answered(turns: Sequence[Turn]) -> bool:
    """Whether a conversation ends with an answer in words, and each call of a tool in it has its result."""
    if not turns or turns[-1].role != "assistant" or not turns[-1].content:
        return False
    waiting: set[str] = set()
    for turn in turns:
        if turn.tool_calls:
            waiting |= {call["id"] for call in msgspec.json.decode(turn.tool_calls)}
        waiting.discard(turn.tool_call_id or "")
    return not waiting


def as_turns(shown: Iterable[Sequence[Turn]], turns: Sequence[Turn], _separator: str = "") -> list[Turn]:
    """Conversations before a conversation, not trained on. Its system message stays first, theirs are left out.

    Calls of tools are numbered through, since a conversation has each id once.
    """
    own = [turn for turn in turns if turn.role == "system"]
    rest = [turn for turn in turns if turn.role != "system"]
    earlier = [[_untrained(turn) for turn in each if turn.role != "system"] for each in shown]
    return [*own, *_numbered([*earlier, rest])]


def as_text(shown: Iterable[Sequence[Turn]], turns: Sequence[Turn], separator: str) -> list[Turn]:
    """Questions and answers in front of the user's message, with the separator between any two of them."""
    before = [turn.content for each in shown for turn in each if turn.role != "system"]
    return [
        turn._replace(content=separator.join([*before, turn.content])) if turn.role == "user" else turn
        for turn in turns
    ]


def _untrained(turn: Turn) -> Turn:
    return turn._replace(weight=0.0) if trained_weight(turn) else turn


def _numbered(conversations: Iterable[Sequence[Turn]]) -> Iterator[Turn]:
    calls = 0
    for turns in conversations:
        if not any(turn.tool_calls or turn.tool_call_id for turn in turns):
            yield from turns
            continue
        names: dict[str, str] = {}
        for turn in turns:
            if turn.tool_calls:
                made = msgspec.json.decode(turn.tool_calls)
                for call in made:
                    calls += 1
                    names[call["id"]] = f"call_{calls}"
                    call["id"] = f"call_{calls}"
                turn = turn._replace(tool_calls=canonical_json(made))
            if turn.tool_call_id:
                turn = turn._replace(tool_call_id=names.get(turn.tool_call_id, turn.tool_call_id))
            yield turn
