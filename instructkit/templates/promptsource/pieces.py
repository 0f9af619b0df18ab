"""A template of Jinja's default syntax taken apart into pieces that keep their wording, and put together again.

Conversion cuts and moves pieces; an expression that nobody touches stays letter for letter what its author wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from jinja2 import Environment, TemplateSyntaxError

PLAIN = Environment()
"""Jinja as promptsource sets it up: nothing trimmed; read with, never run with."""
PLAIN.filters.update(choice=str, most_frequent=str, highlight=str)
_TAG = re.compile(r"\s*(\w+)\s*(.*?)\s*\Z", re.DOTALL)


class NotConverted(Exception):
    """A template cannot become one of ours; `reason` groups the report, `detail` says what was met."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


@dataclass(frozen=True)
class Text:
    """What is printed as it stands."""

    data: str


@dataclass(frozen=True)
class Print:
    """`{{ code }}`."""

    code: str


@dataclass(frozen=True)
class Set:
    """`{% set target = value %}`."""

    target: str
    value: str


@dataclass(frozen=True)
class Group:
    """A tag with a body: for, macro, call, filter, with, and set without `=`; `{% head %}body{% endword %}`."""

    word: str
    head: str
    """All of the opening tag after its word."""
    body: tuple[Piece, ...]
    otherwise: tuple[Piece, ...] = ()
    """The `else` of a for."""


@dataclass(frozen=True)
class If:
    """Conditions and what they lead to; the last condition is None where there is an `else`."""

    branches: tuple[tuple[str | None, tuple[Piece, ...]], ...]


@dataclass(frozen=True)
class Block:
    """A message, in what is written."""

    name: str
    body: tuple[Piece, ...]


Piece = Text | Print | Set | Group | If | Block
Pieces = tuple[Piece, ...]


@dataclass
class _Open:
    """A tag whose end has not come yet."""

    word: str
    head: str
    line: int
    parts: list[tuple[str | None, list[Piece]]] = field(default_factory=list)


def read_pieces(source: str) -> Pieces:
    """The pieces of a template. Raises NotConverted where it is none, or uses what stands outside of itself."""
    try:
        PLAIN.parse(source)
        tokens = list(PLAIN.lex(source))
    except TemplateSyntaxError as error:
        raise NotConverted("not a Jinja template", f"line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise NotConverted("not a Jinja template", "nested too deeply to be read") from None
    stack = [_Open("", "", 0, [(None, [])])]
    i = 0
    while i < len(tokens):
        line, kind, value = tokens[i]
        i += 1
        here = stack[-1].parts[-1][1]
        if kind == "data":
            here.append(Text(value))
        elif kind in ("variable_begin", "block_begin"):
            end = kind.replace("begin", "end")
            inner = []
            while tokens[i][1] != end:
                inner.append(tokens[i][2])
                i += 1
            i += 1
            code = "".join(inner)
            if kind == "variable_begin":
                here.append(Print(code.strip()))
            else:
                _tag(code, line, stack)
    return tuple(stack[0].parts[0][1])


def _tag(code: str, line: int, stack: list[_Open]) -> None:
    found = _TAG.match(code)
    assert found  # the parser has read it
    word, head = found[1], found[2]
    top = stack[-1]
    if word in ("elif", "else"):
        top.parts.append((head if word == "elif" else None, []))
    elif word.startswith("end"):
        stack.pop()
        stack[-1].parts[-1][1].append(_closed(top))
    elif word == "set" and (equals := _equals(head)) >= 0:
        top.parts[-1][1].append(Set(head[:equals].strip(), head[equals + 1 :].strip()))
    elif word in ("if", "for", "macro", "call", "filter", "with", "set"):
        stack.append(_Open(word, head, line, [(head, [])]))
    else:
        raise NotConverted(f"uses '{word}'", f"line {line}")


def _closed(tag: _Open) -> Piece:
    bodies = [tuple(body) for _, body in tag.parts]
    if tag.word == "if":
        return If(tuple((condition, tuple(body)) for condition, body in tag.parts))
    return Group(tag.word, tag.head, *bodies)


def _equals(head: str) -> int:
    """Where the `=` of a `set` stands; -1 for a `set` with a body. One inside of brackets belongs to a call."""
    depth = at = 0
    for kind, value in words(head):
        if kind == "operator":
            depth += (value in "([{") - (value in ")]}")
            if value == "=" and not depth:
                return at
        at += len(value)
    return -1


def words(code: str) -> list[tuple[str, str]]:
    """Kind and text of each word of an expression, white space too: put together they are the expression."""
    # The blanks keep a leading minus from being read as part of the bracket.
    return [(kind, value) for _, kind, value in PLAIN.lex("{{ " + code.strip() + " }}")][2:-2]


def codes(piece: Piece) -> Iterator[str]:
    """The expressions that a piece itself holds, without those of its body, in a form that a `{{ }}` could hold."""
    if isinstance(piece, Print):
        yield piece.code
    elif isinstance(piece, Set):
        yield piece.value
    elif isinstance(piece, If):
        yield from (condition for condition, _ in piece.branches if condition is not None)


def bodies(piece: Piece) -> list[Pieces]:
    """The bodies of a piece."""
    if isinstance(piece, If):
        return [body for _, body in piece.branches]
    if isinstance(piece, Group):
        return [piece.body, piece.otherwise]
    return [piece.body] if isinstance(piece, Block) else []


def walk(pieces: Pieces) -> Iterator[Piece]:
    """All pieces in the order of the text, at any depth."""
    for piece in pieces:
        yield piece
        for body in bodies(piece):
            yield from walk(body)


def with_bodies(piece: Piece, new: list[Pieces]) -> Piece:
    """The piece with other bodies."""
    if isinstance(piece, If):
        return If(tuple((condition, body) for (condition, _), body in zip(piece.branches, new, strict=True)))
    if isinstance(piece, Group):
        return replace(piece, body=new[0], otherwise=new[1])
    return replace(piece, body=new[0]) if isinstance(piece, Block) else piece


def is_blank(pieces: Pieces) -> bool:
    """Nothing but white space."""
    return all(isinstance(piece, Text) and not piece.data.strip() for piece in pieces)


def source_of(pieces: Pieces) -> str:
    """The pieces as Jinja's default syntax: for reading them with Jinja's parser."""
    return "".join(map(_plain, pieces))


def _plain(piece: Piece) -> str:
    if isinstance(piece, Text):
        return "{% raw %}" + piece.data + "{% endraw %}" if "{" in piece.data else piece.data
    if isinstance(piece, Print):
        return "{{ " + piece.code + " }}"
    if isinstance(piece, Set):
        return "{% set " + f"{piece.target} = {piece.value}" + " %}"
    if isinstance(piece, Block):
        return source_of(piece.body)
    opening, ending = tags(piece)
    inner = [source_of(body) for body in bodies(piece)]
    return "".join(f"{{% {tag} %}}{body}" for tag, body in zip(opening, inner, strict=False)) + f"{{% {ending} %}}"


def tags(piece: If | Group) -> tuple[list[str], str]:
    """What stands in the tags of a piece: one for each body, then the end's. A for without else has one body."""
    if isinstance(piece, If):
        first = [f"if {piece.branches[0][0]}"]
        more = [f"elif {condition}" if condition is not None else "else" for condition, _ in piece.branches[1:]]
        return first + more, "endif"
    return [f"{piece.word} {piece.head}".strip(), *(["else"] if piece.otherwise else [])], f"end{piece.word}"
