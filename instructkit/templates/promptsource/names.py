"""Which names pieces read and set, and where they draw at random."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import TemplateAssertionError, nodes
from jinja2.meta import find_undeclared_variables

from instructkit.templates.promptsource.pieces import (
    PLAIN,
    Group,
    NotConverted,
    Piece,
    Pieces,
    Set,
    bodies,
    source_of,
    walk,
    with_bodies,
)

GLOBALS = frozenset({"range", "dict", "namespace", "cycler", "joiner", "zip", "lipsum"})
DRAWING = frozenset({"choice", "random", "shuffle", "sample"})


@lru_cache(maxsize=4096)
def tree_of(pieces: Pieces) -> nodes.Template:
    """The syntax tree of pieces."""
    return PLAIN.parse(source_of(pieces))


def reads(pieces: Pieces) -> set[str]:
    """Names that are read at any place, whether or not the pieces set them."""
    return {name.name for name in tree_of(pieces).find_all(nodes.Name) if name.ctx == "load"} | {
        ref.name for ref in tree_of(pieces).find_all(nodes.NSRef)
    }


def free(pieces: Pieces) -> set[str]:
    """Names that the row must bring: read before anything in the text has set them.

    A name that is set on some ways only, and read after that, is none of them: on the other ways it prints nothing.
    """
    try:
        undeclared = find_undeclared_variables(tree_of(pieces)) - GLOBALS
    except TemplateAssertionError as error:
        raise NotConverted("no such filter or test", str(error.message)) from None
    seen: set[str] = set()
    found: set[str] = set()
    for piece in walk(pieces):
        found |= reads((shallow(piece),)) & undeclared - seen
        seen.update(sets(piece))
    return found


def shallow(piece: Piece) -> Piece:
    """The piece without its bodies; those of a macro and of a set stay, as nothing in them is seen from outside."""
    if isinstance(piece, Group) and piece.word in ("macro", "set"):
        return piece
    return with_bodies(piece, [() for _ in bodies(piece)])


def unset(pieces: Pieces) -> set[str]:
    """Names that are read although some ways through the text do not set them; the row does not bring them either."""
    return find_undeclared_variables(tree_of(pieces)) - GLOBALS - free(pieces)


def sets(piece: Piece) -> list[str]:
    """Names that the piece itself sets for what follows: `ns` of `{% set ns.total = … %}`."""
    if isinstance(piece, Set):
        return [part.strip(" ()").partition(".")[0] for part in piece.target.split(",")]
    if isinstance(piece, Group) and piece.word == "set":
        return [piece.head.partition("|")[0].strip()]
    if isinstance(piece, Group) and piece.word == "macro":
        return [piece.head.partition("(")[0].strip()]
    return []


def draws(piece: Piece) -> bool:
    """Whether anything in the piece is drawn."""
    return any(found.name in DRAWING for found in tree_of((piece,)).find_all(nodes.Filter))
