"""Phrasings: wordings of one instruction that stand in the front matter, set into the body when it is read.

phrasings: ["Shorten: {{ text }}", "In brief, {{ text }}"]

{% block user %}{{ phrasing }}{% endblock %}
        │ becomes, in the syntax tree, so that a row pays for a comparison and nothing else
{% block user %}{% if 0phrasing == 0 %}Shorten: {{ text }}{% else %}In brief, {{ text }}{% endif %}{% endblock %}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

MARK = "phrasing"
"""What stands in the body where the phrasing goes."""
NUMBER = "0phrasing"
"""Variable that holds the number of the row's phrasing; no template can write such a name."""
MAX_SPLICES = 1_000
"""Wordings times places: what a template may be blown up to."""

Parse = Callable[[str], nodes.Template]


class Wording(NamedTuple):
    """One phrasing: Jinja text that stands in the front matter."""

    name: str
    text: str
    line: int
    """Of its first character in the file."""
    literal: bool = True
    """Whether its lines are lines of the file; if not, all of it is told of at its first."""

    def line_of(self, lineno: int) -> int:
        """The line in the file of a line of the text, from 1."""
        return self.line + (lineno - 1 if self.literal else 0)


def parse_wording(wording: Wording, parse: Parse) -> nodes.Template:
    """Its syntax tree, with the line numbers of the file. Raises TemplateSyntaxError."""
    try:
        tree = parse(wording.text)
    except TemplateSyntaxError as error:
        error.lineno = wording.line_of(error.lineno)
        raise
    for node in tree.find_all(nodes.Node):
        if node.lineno is not None:  # Jinja gives some (the operands of `if … else`) no line
            node.lineno = wording.line_of(node.lineno)
    return tree


def splice(tree: nodes.Template, wordings: Sequence[Wording], parse: Parse) -> None:
    """Set the wordings in for each bare `{{ phrasing }}` of a block; others stay, for the check to find."""
    _Splice(wordings, parse).visit(tree)


class _Splice(NodeTransformer):
    def __init__(self, wordings: Sequence[Wording], parse: Parse) -> None:
        self.wordings, self.parse = wordings, parse
        self.in_block = False
        self.splices = 0

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        outer, self.in_block = self.in_block, True
        self.generic_visit(node)
        self.in_block = outer
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node | list[nodes.Node]:  # noqa: N802
        if not self.in_block or not any(map(_is_mark, node.nodes)):
            return node
        pieces: list[nodes.Node] = []
        for part in node.nodes:
            if _is_mark(part):
                pieces += self._chosen(part)
            elif pieces and isinstance(pieces[-1], nodes.Output):
                pieces[-1].nodes.append(part)
            else:
                pieces.append(nodes.Output([part], lineno=part.lineno, environment=part.environment))
        return pieces

    def _chosen(self, mark: nodes.Node) -> list[nodes.If]:
        """The wordings as branches of one `if`, parsed anew for each place: trees are changed later."""
        self.splices += len(self.wordings)
        if self.splices > MAX_SPLICES:
            message = f"'{{{{ {MARK} }}}}' stands in too many places for {len(self.wordings)} phrasings"
            raise TemplateSyntaxError(message, mark.lineno)
        at = {"lineno": mark.lineno, "environment": mark.environment}
        branches = []
        for number, wording in enumerate(self.wordings):
            equal = nodes.Operand("eq", nodes.Const(number, **at), **at)
            test = nodes.Compare(nodes.Name(NUMBER, "load", **at), [equal], **at)
            branches.append(nodes.If(test, parse_wording(wording, self.parse).body, [], [], **at))
        if len(branches) > 1:
            branches[0].else_ = branches.pop().body
        branches[0].elif_ = branches[1:]
        return branches[:1]


def _is_mark(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == MARK
