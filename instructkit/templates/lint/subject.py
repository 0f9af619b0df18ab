"""What the checks look at: a template taken apart, and what it renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jinja2 import nodes

from instructkit.templates.check import role_of
from instructkit.templates.environment import Sandbox
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.head import Head, read_head
from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.samples import Sample
from instructkit.templates.lint.wording import Wording, single_sets, wordings
from instructkit.templates.phrasings import Wording as Phrasing
from instructkit.templates.phrasings import parse_wording
from instructkit.templates.template import Template

Branch = tuple[tuple[int, int], ...]
"""The branches that a block stands in, outermost first: number of the `if`, number of its branch."""


class Block(NamedTuple):
    """A turn of the template."""

    name: str
    role: str
    node: nodes.Block
    branch: Branch

    def stands_with(self, other: Block) -> bool:
        """Whether one row can have both turns, as far as the branches tell."""
        return all(mine[1] == yours[1] for mine, yours in zip(self.branch, other.branch, strict=False))


@dataclass(frozen=True)
class Subject:
    """A template under lint."""

    template: Template
    file: str
    """How its file is called in findings."""
    samples: tuple[Sample, ...] = ()
    """What it makes of its own tests and of given rows."""

    @property
    def name(self) -> str:
        """The template's."""
        return self.template.name

    @property
    def front(self) -> FrontMatter:
        """Its front matter."""
        return self.template.front

    @cached_property
    def source(self) -> str:
        """Text of its file."""
        return self.template.sources[self.template.file]

    @cached_property
    def lines(self) -> list[str]:
        """Lines of its file; line n is `lines[n - 1]`."""
        return self.source.split("\n")

    @cached_property
    def head(self) -> Head:
        """Its front matter with positions."""
        return read_head(self.source, self.file)

    @cached_property
    def tree(self) -> nodes.Template:
        """Its body, with the phrasings set in."""
        named = {self.template.file: self.head.wordings} if self.head.wordings else {}
        return Sandbox(wordings=named).read(self.head.body, self.template.file)

    @cached_property
    def blocks(self) -> list[Block]:
        """Its turns in file order."""
        return list(_blocks(self.tree.body, ()))

    @cached_property
    def sets(self) -> dict[str, nodes.Node]:
        """What plain `set`s give names."""
        return single_sets(self.tree.body)

    @cached_property
    def wordings(self) -> list[Wording]:
        """Its own words, piece by piece."""
        found = wordings(node for node in self.tree.body if not isinstance(node, nodes.If | nodes.Block))
        for block in self.blocks:
            found += wordings(block.node.body)
        return [wording for wording in found if any(char.isalpha() for char in wording.text)]

    @cached_property
    def phrasings(self) -> list[tuple[Phrasing, str]]:
        """Its phrasings, and the words of each with named masks."""
        read = [(given, parse_wording(given, lambda text: Sandbox().read(text, ""))) for given in self.head.wordings]
        return [(given, "\n".join(piece.text for piece in wordings(tree.body, named=True))) for given, tree in read]

    @cached_property
    def fixed_choices(self) -> tuple[str, ...]:
        """The choices that stand in its front matter."""
        return tuple(self.front.choices) if isinstance(self.front.choices, list) else ()

    def trains_on(self, block: Block) -> bool:
        """Whether a turn's loss counts, by its weight."""
        return self.front.weights.get(block.name, 1) != 0

    def at(self, line: int, words: str, message: str) -> Hit:
        """A hit in a line of the body, at the words; rather where they stand in a tag than in text."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)]
        inside = [start for start in found if re.search(r"\{[{%](?:(?![%}]\}).)*\Z", text[:start])]
        return Hit(line, (inside or found or [-1])[0] + 1, message)

    def at_block(self, block: Block, message: str) -> Hit:
        """A hit at a block's name."""
        return self.at(block.node.lineno, block.name, message)

    def at_key(self, *path: str | int, message: str) -> Hit:
        """A hit at a key of the front matter, or where there is none, at the nearest above it."""
        return Hit(*self.head.place(*path), message)


def _blocks(body: list[nodes.Node], branch: Branch) -> Iterator[Block]:
    for node in body:
        if isinstance(node, nodes.Block):
            yield Block(node.name, role_of(node.name), node, branch)
        elif isinstance(node, nodes.If):
            for number, inner in enumerate(branches(node)):
                yield from _blocks(inner, (*branch, (id(node), number)))


def branches(node: nodes.If) -> list[list[nodes.Node]]:
    """The bodies of an `if`, one for each branch; the last is empty where there is no `else`."""
    return [node.body, *(each.body for each in node.elif_), node.else_]
