"""Expressions that only promptsource's Jinja can run, written as ours can: same text, other words.

| random                           | choice
3ed2dface8203c4c9dfb1a5dc58e41e0   |||, for which it stands in promptsource's escaped data
answer_choices                     choices, where the front matter can hold them
{{ found.append(x) or "" }}        {% set found.list = found.list + [x] %}, and found is a namespace
{% for a, b in zip(xs, ys) %}      {% for a in xs[:ys | length] %}{% set b = ys[loop.index0] %}
items | most_frequent              a list made above it, by counting
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from jinja2 import TemplateSyntaxError, nodes

from instructkit.templates.promptsource.originals import SEPARATOR
from instructkit.templates.promptsource.pieces import (
    PLAIN,
    Group,
    If,
    NotConverted,
    Piece,
    Pieces,
    Print,
    Set,
    Text,
    bodies,
    source_of,
    walk,
    with_bodies,
    words,
)

PROTECTOR = "3ed2dface8203c4c9dfb1a5dc58e41e0"
"""Stands for `|||` in the data while promptsource renders. Source: promptsource/templates.py, `pipe_protector`."""
CHANGING = ("extend", "insert", "pop", "popitem", "remove", "clear", "update", "setdefault", "sort", "reverse", "add")
_APPEND = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\.append\(")
_ZIP = re.compile(r"\A(?P<a>\w+)\s*,\s*(?P<b>\w+)\s+in\s+zip\((?P<rest>.*)\)\s*\Z", re.DOTALL)


def parse(code: str) -> nodes.Expr:
    """The syntax tree of an expression."""
    try:
        output = PLAIN.parse("{{ " + code + " }}").body[0]
    except TemplateSyntaxError as error:
        raise NotConverted("not a Jinja template", f"{code!r}: {error.message}") from None
    assert isinstance(output, nodes.Output)
    return output.nodes[0]


def each_code(pieces: Pieces, change: Callable[[str], str]) -> Pieces:
    """The pieces with every expression changed; heads of other tags too."""
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [each_code(body, change) for body in bodies(piece)])
        if isinstance(piece, Print):
            piece = Print(change(piece.code))
        elif isinstance(piece, Set):
            piece = Set(piece.target, change(piece.value))
        elif isinstance(piece, If):
            piece = If(tuple((change(c) if c is not None else None, body) for c, body in piece.branches))
        elif isinstance(piece, Group):
            piece = replace(piece, head=change(piece.head) if piece.head else "")
        done.append(piece)
    return tuple(done)


def rename(code: str, old: str, new: str) -> str:
    """An expression with a variable under another name; attributes, filters and argument names stay."""
    found = words(code)
    solid = [(i, value) for i, (kind, value) in enumerate(found) if kind != "whitespace"]
    for at, (i, value) in enumerate(solid):
        before = solid[at - 1][1] if at else ""
        after = solid[at + 1][1] if at + 1 < len(solid) else ""
        in_call = after == "=" and before in ("(", ",")
        if found[i][0] == "name" and value == old and before not in (".", "|", "is") and not in_call:
            found[i] = ("name", new)
    return "".join(value for _, value in found)


def rewrite(pieces: Pieces) -> Pieces:
    """All rewritings that do not need to know of the answer choices. Raises NotConverted for what has no equivalent."""
    pieces = each_code(pieces, _words)
    pieces = _zips(pieces)
    pieces = _appends(pieces)
    pieces = _most_frequent(pieces)
    for piece in walk(pieces):
        _refuse(piece)
    return tuple(pieces)


def _words(code: str) -> str:
    found = words(code)
    solid = [i for i, (kind, _) in enumerate(found) if kind != "whitespace"]
    for before, i in pairwise(solid):
        if found[before][1] == "|" and found[i] == ("name", "random"):
            found[i] = ("name", "choice")
            if [found[j][1] for j in solid[solid.index(i) + 1 :][:2]] == ["(", ")"]:
                for j in solid[solid.index(i) + 1 :][:2]:
                    found[j] = ("whitespace", "")
    return "".join(value.replace(PROTECTOR, SEPARATOR) if kind == "string" else value for kind, value in found)


def _zips(pieces: Pieces) -> Pieces:
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [_zips(body) for body in bodies(piece)])
        if isinstance(piece, Group) and piece.word == "for" and (found := _ZIP.match(piece.head)):
            call = parse(f"zip({found['rest']})")
            if not isinstance(call, nodes.Call) or len(call.args) != 2 or call.kwargs:
                raise NotConverted("uses 'zip'", piece.head)
            first, second = _arguments(found["rest"])
            item = f"{second}[loop.index0]" if re.fullmatch(r"[\w.]+", second) else f"({second})[loop.index0]"
            head = f"{found['a']} in ({first})[:({second}) | length]"
            piece = replace(piece, head=head, body=(Set(found["b"], item), *piece.body))
        done.append(piece)
    return tuple(done)


def _arguments(code: str) -> list[str]:
    """The arguments of a call, cut at its own commas."""
    found, depth = [""], 0
    for kind, value in words(code):
        if kind == "operator":
            depth += (value in "([{") - (value in ")]}")
            if value == "," and not depth:
                found.append("")
                continue
        found[-1] += value
    return [argument.strip() for argument in found]


def _appends(pieces: Pieces) -> Pieces:
    grown = {
        found["name"] for piece in walk(pieces) if isinstance(piece, Print) and (found := _APPEND.match(piece.code))
    }
    if not grown:
        return pieces
    targets = {piece.target for piece in walk(pieces) if isinstance(piece, Set)}
    loops = {name for piece in walk(pieces) if isinstance(piece, Group) for name in _loop_names(piece)}
    for name in sorted(grown):
        if name not in targets or name in loops:
            raise NotConverted("changes a list of the row", f"{name}.append")
    pieces = _as_sets(pieces)
    for name in sorted(grown):
        pieces = each_code(pieces, lambda code, name=name: rename(code, name, f"{name}.list"))  # type: ignore[misc]
    return _as_namespaces(pieces, grown)


def _loop_names(piece: Group) -> list[str]:
    return re.findall(r"\w+", piece.head.partition(" in ")[0]) if piece.word == "for" else []


def _as_sets(pieces: Pieces) -> Pieces:
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [_as_sets(body) for body in bodies(piece)])
        found = _APPEND.match(piece.code) if isinstance(piece, Print) else None
        if not found or not isinstance(piece, Print):
            done.append(piece)
            continue
        item, rest = _closing(piece.code[found.end() :])
        done.append(Set(f"{found['name']}.list", f"{found['name']} + [{item}]"))
        printed = _after_append(rest)
        if printed:
            done.append(Text(printed))
    return tuple(done)


def _closing(code: str) -> tuple[str, str]:
    """`x) or ""` → `x` and `or ""`."""
    depth, item = 0, ""
    found = [(k, v) for _, k, v in PLAIN.lex("{{ (" + code + " }}")][3:-1]
    for at, (kind, value) in enumerate(found):
        if kind == "operator":
            if value == ")" and not depth:
                return item.strip(), "".join(v for _, v in found[at + 1 :]).strip()
            depth += (value in "([{") - (value in ")]}")
        item += value
    raise NotConverted("changes a list while it prints", code)


def _after_append(rest: str) -> str:
    """What is printed beside: nothing, or the word None where nobody hides it."""
    if not rest:
        return "None"
    tree = parse("none " + rest)
    if isinstance(tree, nodes.Or) and isinstance(tree.right, nodes.Const) and tree.right.value == "":
        return ""
    given = [arg.value for arg in tree.args if isinstance(arg, nodes.Const)] if isinstance(tree, nodes.Filter) else []
    if isinstance(tree, nodes.Filter) and tree.name in ("default", "d") and given == ["", True]:
        return ""
    raise NotConverted("changes a list while it prints", rest)


def _as_namespaces(pieces: Pieces, grown: set[str]) -> Pieces:
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [_as_namespaces(body, grown) for body in bodies(piece)])
        if isinstance(piece, Set) and piece.target in grown:
            piece = Set(piece.target, f"namespace(list={piece.value})")
        done.append(piece)
    return tuple(done)


def _most_frequent(pieces: Pieces) -> Pieces:
    """The items that are as frequent as any, in order, each once: collected above the piece that asks for them."""
    done: list[Piece] = []
    for piece in pieces:
        piece = with_bodies(piece, [_most_frequent(body) for body in bodies(piece)])
        found = _asked_for(piece) if isinstance(piece, Print | Set) else None
        if found and isinstance(piece, Print | Set):
            items, rest = found
            number = sum(isinstance(other, Set) and other.target.startswith("frequent") for other in walk(pieces)) + 1
            name = f"frequent{number if number > 1 else ''}"
            fit = f"item in {items} if {items}.count(item) >= {name}.most and item not in {name}.list"
            more = f"item in {items} if {items}.count(item) > {name}.most"
            done += [
                Set(name, "namespace(most=0, list=[])"),
                Group("for", more, (Set(f"{name}.most", f"{items}.count(item)"),)),
                Group("for", fit, (Set(f"{name}.list", f"{name}.list + [item]"),)),
            ]
            code = f"{name}.list{rest}"
            piece = Print(code) if isinstance(piece, Print) else Set(piece.target, code)
        done.append(piece)
    return tuple(done)


def _asked_for(piece: Print | Set) -> tuple[str, str] | None:
    code = piece.code if isinstance(piece, Print) else piece.value
    found = re.match(r"(?P<items>[\w.\[\]'\"]+)\s*\|\s*most_frequent\b(?P<rest>.*)\Z", code, re.DOTALL)
    return (found["items"], found["rest"]) if found else None


def _refuse(piece: Piece) -> None:
    tree = PLAIN.parse(source_of((piece,)))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "zip":
            raise NotConverted("uses 'zip' outside of a loop over two lists")
        if isinstance(call.node, nodes.Getattr):
            if call.node.attr in (*CHANGING, "append"):
                raise NotConverted("changes a list while it prints", f"method '{call.node.attr}'")
            if call.node.attr in ("format", "format_map", "encode", "translate", "maketrans", "expandtabs"):
                raise NotConverted("uses a method that templates may not", f"'{call.node.attr}'")
