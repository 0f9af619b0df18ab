"""The prompt and the answer of a template taken apart at its `|||`, wherever that stands.

P ||| A                                          user: P, assistant: A
{% if c %}P ||| A{% endif %}                     the condition stands around both blocks: other rows are left out
{% if c %}P ||| A{% else %}Q ||| B{% endif %}    user: if c P else Q, assistant: if c A else B
P {% if c %}||| A{% endif %} B                   what follows goes into each branch

Where no `|||` is met, promptsource returns one part, and whoever uses it leaves the row out: no blocks there, or an
empty answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from instructkit.templates.promptsource.names import draws, reads, sets
from instructkit.templates.promptsource.originals import SEPARATOR
from instructkit.templates.promptsource.pieces import (
    Block,
    Group,
    If,
    NotConverted,
    Piece,
    Pieces,
    Set,
    Text,
    bodies,
    is_blank,
    walk,
    with_bodies,
)


@dataclass(frozen=True)
class Halves:
    """Prompt and answer; `above` is what both need, `around` the conditions for which there is anything."""

    user: Pieces
    assistant: Pieces


@dataclass(frozen=True)
class Fork:
    """An `if` in whose branches the separator stands. A branch without one is None: its rows are left out."""

    before: Pieces
    branches: tuple[tuple[str | None, Halves | Fork | None], ...]


def divided(pieces: Pieces) -> Pieces:
    """The pieces as blocks, with what both need above them. Raises NotConverted."""
    return _written(_divide(_drawn_first(pieces, [0])), ())


def _drawn_first(pieces: Pieces, count: list[int]) -> Pieces:
    """What decides by lot on something that both messages depend on is drawn above it, once for both."""
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [_drawn_first(body, count) for body in bodies(piece)])
        shared = isinstance(piece, If | Group) and any(_holds(part) or sets(part) for part in walk((piece,)))
        if shared and isinstance(piece, If):
            branches = []
            for condition, body in piece.branches:
                if condition is not None and draws(Set("_", condition)):
                    drawn = Set(_name(count), condition)
                    done.append(drawn)
                    condition = drawn.target
                branches.append((condition, body))
            piece = If(tuple(branches))
        elif shared and isinstance(piece, Group) and piece.word == "for" and draws(replace(piece, body=())):
            target, _, items = piece.head.partition(" in ")
            drawn = Set(_name(count), items)
            done.append(drawn)
            piece = replace(piece, head=f"{target} in {drawn.target}")
        done.append(piece)
    return tuple(done)


def _name(count: list[int]) -> str:
    count[0] += 1
    return f"drawn{count[0] if count[0] > 1 else ''}"


def _divide(pieces: Pieces) -> Halves | Fork:
    found = _split(pieces)
    if found is None:
        raise NotConverted("no separator", "without '|||' there is a prompt and no answer")
    return found


def _holds(piece: Piece) -> bool:
    return any(isinstance(part, Text) and SEPARATOR in part.data for part in walk((piece,)))


def _split(pieces: Pieces) -> Halves | Fork | None:
    at = next((i for i, piece in enumerate(pieces) if _holds(piece)), None)
    if at is None:
        return None
    piece, before, after = pieces[at], pieces[:at], pieces[at + 1 :]
    if isinstance(piece, Text):
        left, _, right = piece.data.partition(SEPARATOR)
        if SEPARATOR in right or any(map(_holds, after)):
            raise NotConverted("several separators", "more than one '|||' on one way through the template")
        return Halves((*before, Text(left)), (Text(right), *after))
    if not isinstance(piece, If):
        word = piece.word if isinstance(piece, Group) else type(piece).__name__.lower()
        raise NotConverted("separator inside of a loop or macro", f"'|||' stands inside of a '{word}'")
    after = () if is_blank(after) else after
    branches = [*piece.branches]
    if branches[-1][0] is not None:
        branches.append((None, ()))
    parts = [(condition, _split((*body, *after))) for condition, body in branches]
    return Fork(before, tuple(parts))


def _written(part: Halves | Fork, outer: Pieces) -> Pieces:
    """Blocks for a part. `outer` is printed before it, from outside of the conditions around it."""
    if isinstance(part, Halves):
        above, user, assistant = _shared((*outer, *part.user), part.assistant)
        return (*above, Block("user", user), Block("assistant", assistant))
    kept = [branch for _, branch in part.branches if branch is not None]
    if len(kept) == 1:
        try:
            above, user = _lifted(part.before, _names_of_conditions(part) | _names_of(kept[0]))
        except NotConverted:
            return _written(_flat(part), outer)
        # What stood before the condition is printed inside of it now: the same, as nothing is changed in between.
        branches = [(c, () if b is None else _written(b, (*outer, *user))) for c, b in part.branches]
        return (*above, _if(branches))
    return _written(_flat(part), outer)


def _flat(part: Halves | Fork) -> Halves:
    """A fork as halves, with its conditions in both of them."""
    if isinstance(part, Halves):
        return part
    users: list[tuple[str | None, Pieces]] = []
    assistants: list[tuple[str | None, Pieces]] = []
    for condition, branch in part.branches:
        halves = _flat(branch) if branch is not None else Halves((), ())
        users.append((condition, halves.user))
        assistants.append((condition, halves.assistant))
    return Halves((*part.before, _if(users)), (_if(assistants),))


def _if(branches: list[tuple[str | None, Pieces]]) -> If:
    """An `if` without an empty `else`."""
    while len(branches) > 1 and branches[-1][0] is None and not branches[-1][1]:
        branches = branches[:-1]
    return If(tuple(branches))


def _names_of(part: Halves | Fork) -> set[str]:
    """Names that any expression of a part reads."""
    if isinstance(part, Halves):
        return reads((*part.user, *part.assistant))
    found = reads(part.before) | _names_of_conditions(part)
    return found.union(*(_names_of(branch) for _, branch in part.branches if branch is not None))


def _names_of_conditions(fork: Fork) -> set[str]:
    """Names that the conditions of a fork read."""
    return set().union(*(reads((Set("_", condition),)) for condition, _ in fork.branches if condition is not None))


def _shared(user: Pieces, assistant: Pieces) -> tuple[Pieces, Pieces, Pieces]:
    """What the answer needs of what the prompt sets goes above both; where that cannot be, it is done in both."""
    needed = reads(assistant)
    try:
        above, rest = _lifted(user, needed)
        return above, rest, assistant
    except NotConverted:
        again = _setting(user, _closure(user, needed))
        if any(draws(piece) for piece in again):
            raise
        return (), user, (*again, *assistant)


def _lifted(pieces: Pieces, needed: set[str]) -> tuple[Pieces, Pieces]:
    """What sets the names needed later, and the pieces without it. Raises NotConverted where the order matters."""
    names = _closure(pieces, needed)
    if not names:
        return (), pieces
    try:
        _check_order(pieces, names)
    except NotConverted:  # what stays behind reads a name before its last value: then all of them go
        names = {name for piece in walk(pieces) for name in sets(piece)}
        _check_order(pieces, names)
    above = _setting(pieces, names)
    rest = tuple(part for piece in pieces for part in _without(piece, names))
    return tuple(_at_top(piece) for piece in above), rest


def _closure(pieces: Pieces, needed: set[str]) -> set[str]:
    """The needed names that the pieces set, and those that these need."""
    settable = {name for piece in walk(pieces) for name in sets(piece)}
    names = needed & settable
    while True:
        more = (reads(_setting(pieces, names)) & settable) - names
        if not more:
            return names
        names |= more


def _setting(pieces: Pieces, names: set[str]) -> Pieces:
    """The pieces without all that prints, and without what sets other names."""
    done: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Set) or (isinstance(piece, Group) and piece.word in ("set", "macro")):
            if names & set(sets(piece)):
                done.append(piece)
        elif isinstance(piece, If) or (isinstance(piece, Group) and piece.word in ("for", "with")):
            # In a loop a plain name lives for one turn: whatever it is, a namespace may be set from it.
            local = {name for part in walk((piece,)) for name in sets(part)} if isinstance(piece, Group) else set()
            new = [_setting(body, names | local) for body in bodies(piece)]
            if any(names & set(sets(part)) for body in new for part in walk(body)):
                done.append(with_bodies(piece, new))
    return tuple(done)


def _without(piece: Piece, names: set[str]) -> Pieces:
    """The piece without what `_setting` took from it."""
    if isinstance(piece, Set) or (isinstance(piece, Group) and piece.word in ("set", "macro")):
        return () if names & set(sets(piece)) else (piece,)
    if isinstance(piece, If) or (isinstance(piece, Group) and piece.word in ("for", "with")):
        new = [tuple(p for part in body for p in _without(part, names)) for body in bodies(piece)]
        if new == bodies(piece):
            return (piece,)
        return (with_bodies(piece, new),) if any(new) else ()  # the white space that is left is printed, too
    return (piece,)


def _check_order(pieces: Pieces, names: set[str]) -> None:
    """Setting all names first must not change what is printed: no name is read before it has its last value."""
    order: list[Piece] = list(walk(pieces))
    for loop in order:
        if isinstance(loop, Group) and loop.word == "for":
            set_here = names & {name for part in walk((loop,)) for name in sets(part)}
            if set_here & reads(_without(loop, names)):
                raise NotConverted("a variable changes between its uses", f"'{min(set_here)}', in a loop")
    for name in names:
        last = max((i for i, piece in enumerate(order) if name in sets(piece)), default=-1)
        for piece in order[:last]:
            moved = isinstance(piece, Set) or (isinstance(piece, Group) and piece.word in ("set", "macro"))
            shallow = with_bodies(piece, [() for _ in bodies(piece)])
            if name in reads((shallow,)) and not (moved and names & set(sets(piece))):
                if isinstance(piece, If | Group) and not _prints(piece):
                    continue  # it moves as a whole
                raise NotConverted("a variable changes between its uses", f"'{name}'")


def _prints(piece: Piece) -> bool:
    return any(not isinstance(part, Set | If | Group) and not is_blank((part,)) for part in walk((piece,)))


def _at_top(piece: Piece) -> Piece:
    """A loop may not stand above the blocks; inside of a set it may, and prints nothing."""
    if isinstance(piece, Group) and piece.word in ("for", "with"):
        return Group("set", "looped", (piece,))
    return with_bodies(piece, [tuple(map(_at_top, body)) for body in bodies(piece)]) if isinstance(piece, If) else piece
