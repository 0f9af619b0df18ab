"""A converted template as the text of a file: front matter, then blocks.

Here a tag takes the line break behind it and the blanks before it away, in promptsource it does not: where the
original prints them, the tag is written with a plus, `{% if x +%}`, and they stay.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from instructkit.templates.promptsource.pieces import Block, Group, If, Piece, Pieces, Print, Set, Text, bodies, tags
from instructkit.templates.promptsource.rewrite import PROTECTOR

WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ,.()/'_-]*\Z")
_WORDS = re.compile(r"(?i)(y|n|yes|no|on|off|true|false|null|none|nan|inf)\Z")


def write_file(front: dict[str, Any], body: Pieces) -> str:
    """The whole file."""
    return f"---\n{write_front(front)}---\n{write_body(body)}"


def write_front(front: dict[str, Any]) -> str:
    """Front matter as YAML; texts that a reader of YAML could take for something else are quoted."""
    return yaml.dump(front, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=WIDTH, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style: str | None
    lines = text.split("\n")
    clean = text.isprintable() or all(line.isprintable() for line in lines)
    if "\n" in text and clean and text.strip() == text and not any(line.endswith(" ") for line in lines):
        style = "|"
    else:
        style = None if _PLAIN.match(text) and not _WORDS.match(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: _Dumper, items: list[Any]) -> yaml.Node:
    # Short lists of plain values on one line: inputs: [premise, label]
    short = all(not isinstance(item, (dict, list)) for item in items) and sum(len(str(item)) + 4 for item in items) < 90
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


def _mapping(dumper: _Dumper, items: dict[str, Any]) -> yaml.Node:
    short = set(items) <= {"required", "default"} or not items
    return dumper.represent_mapping("tag:yaml.org,2002:map", items.items(), flow_style=short)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _mapping)


def write_body(body: Pieces) -> str:
    """Blocks and what stands above them, each on lines of its own."""
    lines: list[str] = []
    for piece in body:
        if isinstance(piece, Block):
            lines.append(_block(piece))
        elif isinstance(piece, If):
            opening, ending = tags(piece)
            for tag, part in zip(opening, bodies(piece), strict=True):
                lines += [f"{{% {tag} %}}\n", write_body(part)]
            lines.append(f"{{% {ending} %}}\n")
        elif isinstance(piece, Set | Group):
            lines.append(_exact((piece,), "") + "\n")
    return "".join(lines)


def _block(block: Block) -> str:
    text = _exact(_stripped(_stripped(block.body, first=True), first=False), "")
    if "\n" in text:
        text = f"\n{text}\n"
    return f"{{% block {block.name} %}}{text}{{% endblock %}}\n"


def _stripped(pieces: Pieces, *, first: bool) -> Pieces:
    """Without the white space that a message loses at its start, also inside of conditions there, or at its end."""
    done: list[Piece] = list(pieces)
    while done:
        at = 0 if first else -1
        piece = done[at]
        if isinstance(piece, Set):  # prints nothing: what is beside it is at the edge as well
            inner = _stripped(tuple(done[1:] if first else done[:-1]), first=first)
            return (piece, *inner) if first else (*inner, piece)
        if isinstance(piece, Text):
            data = piece.data.lstrip() if first else piece.data.rstrip()
            if data:
                done[at] = Text(data)
                break
            done.pop(at)
            continue
        if isinstance(piece, If | Group) and _is_layout(piece):
            done.pop(at)
            continue
        if isinstance(piece, If) and first:
            done[at] = If(tuple((condition, _stripped(body, first=first)) for condition, body in piece.branches))
        break
    return tuple(done)


def _is_layout(piece: Piece) -> bool:
    """Whether a condition or loop prints white space at most, and does nothing else."""
    if isinstance(piece, If) or (isinstance(piece, Group) and piece.word == "for"):
        return all(_is_layout(part) for body in bodies(piece) for part in body)
    return isinstance(piece, Text) and not piece.data.strip()


def _exact(pieces: Pieces, before: str) -> str:
    """The pieces, printing what they print in promptsource. `before`: what has been written so far."""
    out = before
    for piece, follower in zip(pieces, [*pieces[1:], None], strict=True):
        if isinstance(piece, Text):
            data = piece.data.replace(PROTECTOR, "|||")
            out += _braces(data, last=follower is not None and not isinstance(follower, Text))
        elif isinstance(piece, Print):
            out += "{{ " + piece.code + " }}"
        elif isinstance(piece, Set):
            out = _tag(out, f"set {piece.target} = {piece.value}", follower)
            if follower is not None and not isinstance(follower, Text):
                out += "\n"  # which the tag takes away: a set to a line
        elif isinstance(piece, If | Group):
            opening, ending = tags(piece)
            for tag, body in zip(opening, bodies(piece), strict=False):
                out = _tag(out, tag, body[0] if body else None)
                out = _exact(body, out)
            out = _tag(out, ending, follower)
    return out[len(before) :] if not before else out


def _tag(out: str, inner: str, follower: Piece | None) -> str:
    line = out[out.rfind("\n") + 1 :]
    kept = "+" if line and not line.strip() else ""
    taken = "+" if isinstance(follower, Text) and follower.data.startswith("\n") else ""
    return f"{out}{{%{kept} {inner} {taken}%}}"


def _braces(data: str, *, last: bool) -> str:
    """Text in which nothing looks like a tag."""
    data = re.sub(r"\{(?=[{%#])", '{{ "{" }}', data)
    return data[:-1] + '{{ "{" }}' if last and data.endswith("{") else data
