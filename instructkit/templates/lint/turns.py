"""Checks of the turns: their order, and whether each says something."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from jinja2 import nodes

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Block, Subject, branches
from instructkit.templates.turns import Rendered

MUST_FOLLOW = {"user": "an answer: an assistant turn", "tool": "the assistant, which reads what the tool gave"}


def role_order(subject: Subject) -> Iterator[Hit]:
    """Pairs of turns that certainly follow one another and may not; and those that the tests and rows show."""
    known = {block.name: block for block in subject.blocks}
    seen: set[tuple[str, str]] = set()
    for before, after in _pairs(subject.tree.body):
        wrong = _wrong(known[before].role, known[after].role)
        if wrong:
            seen.add((known[before].role, known[after].role))
            yield subject.at_block(known[after], f"block '{after}' follows block '{before}': {wrong}")
    for sample in subject.samples:
        if isinstance(sample.result, Rendered):
            roles = [turn.role for turn in sample.result.turns]
            for pair in itertools.pairwise(roles):
                if pair not in seen and (wrong := _wrong(*pair)):
                    seen.add(pair)
                    yield subject.at_block(_last(subject, pair[1]), f"in {sample.where} {wrong}")


def _last(subject: Subject, role: str) -> Block:
    return [block for block in subject.blocks if block.role == role][-1]


def _wrong(before: str, after: str) -> str | None:
    """Why a turn may not follow another."""
    if before == after and before != "tool":
        return f"two {after} turns in a row; join them, or put another role's turn between them"
    if after == "tool" and before not in ("assistant", "tool"):
        return f"a tool turn follows a {before} turn; it answers the assistant's calls, so put it behind those"
    if before == "tool" and after not in ("assistant", "tool"):
        return f"a {after} turn follows a tool turn; after it comes {MUST_FOLLOW['tool']}"
    return None


def _pairs(body: list[nodes.Node]) -> Iterator[tuple[str, str]]:
    """Names of blocks of which the second follows the first whenever both are there, and both can be there.

    Of two `if`s in a row nothing is said: one may be there only where the other is not.
    """
    parts = [node for node in body if isinstance(node, nodes.Block | nodes.If)]
    parts = [node for node in parts if isinstance(node, nodes.Block) or any(node.find_all(nodes.Block))]
    for node in parts:
        if isinstance(node, nodes.If):
            for branch in branches(node):
                yield from _pairs(branch)
    for i, (one, other) in enumerate(itertools.pairwise(parts)):
        if isinstance(one, nodes.Block) or isinstance(other, nodes.Block):
            yield from ((a, b) for a in _ends(one, -1) for b in _ends(other, 0))
        if isinstance(other, nodes.If) and isinstance(one, nodes.Block) and i + 2 < len(parts):
            after = parts[i + 2]
            if isinstance(after, nodes.Block) and not all(_has_block(branch) for branch in branches(other)):
                yield one.name, after.name


def _has_block(body: list[nodes.Node]) -> bool:
    return any(isinstance(node, nodes.Block) or any(node.find_all(nodes.Block)) for node in body)


def _ends(node: nodes.Node, end: int) -> list[str]:
    """The first (0) or last (-1) blocks of a block or an `if`; one for each branch that surely ends with one."""
    if isinstance(node, nodes.Block):
        return [node.name]
    assert isinstance(node, nodes.If)
    found = []
    for branch in branches(node):
        inside = [each for each in branch if isinstance(each, nodes.Block | nodes.If)]
        if inside and isinstance(inside[end], nodes.Block):
            found += _ends(inside[end], end)
    return found


def unanswered(subject: Subject) -> Iterator[Hit]:
    """A last turn that is not the assistant's, where there are answers."""
    blocks = subject.blocks
    answers = [block for block in blocks if block.role == "assistant"]
    last = blocks[-1] if blocks else None
    # A conditional turn at the end may have its answer in another branch; where it stands in all rows, it has none.
    if (
        subject.front.answer == "data"
        and answers
        and last
        and last.role != "assistant"
        and (not last.branch or last.branch == answers[-1].branch)
    ):
        message = f"the conversation ends with block '{last.name}', which nothing answers; add an answer or remove it"
        yield subject.at_block(last, message)


def no_prompt(subject: Subject) -> Iterator[Hit]:
    """An assistant that speaks before any user."""
    first = next((block for block in subject.blocks if block.role != "system"), None)
    if first and first.role == "assistant":
        yield subject.at_block(first, f"block '{first.name}' comes before any user turn; ask something first")


def empty_turn(subject: Subject) -> Iterator[Hit]:
    """Blocks without anything to print."""
    for block in subject.blocks:
        if not any(_prints(node) for node in block.node.body):
            rule = "empty_answer" if block.role == "assistant" else "empty_message"
            message = f"block '{block.name}' prints nothing: every row would be dropped as {rule}; fill it or remove it"
            yield subject.at_block(block, message)


def _prints(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Output):
        return any(not _blank(part) for part in node.nodes)
    if isinstance(node, nodes.Assign | nodes.AssignBlock | nodes.Macro | nodes.Import | nodes.FromImport):
        return False
    return any(_prints(each) for each in node.iter_child_nodes() if isinstance(each, nodes.Stmt))


def _blank(part: nodes.Node) -> bool:
    text = part.data if isinstance(part, nodes.TemplateData) else part.value if isinstance(part, nodes.Const) else "x"
    return isinstance(text, str) and not text.strip()
