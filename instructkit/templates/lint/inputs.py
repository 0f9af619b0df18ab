"""How the turns use the inputs: not at all, or where one may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Block, Subject
from instructkit.templates.lint.wording import DRAWING
from instructkit.text.conversation import LEARNED


def constant_answer(subject: Subject) -> Iterator[Hit]:
    """No answer reads anything of the row."""
    answers = [block for block in subject.blocks if block.role in LEARNED and subject.trains_on(block)]
    if answers and not any(_reads(block, subject) for block in answers):
        message = f"block '{answers[0].name}' uses no input: all rows get the same answer"
        yield subject.at_block(answers[0], f"{message}; answer with an input")


def constant_prompt(subject: Subject) -> Iterator[Hit]:
    """No turn before the first answer that reads the row does so itself."""
    for i, answer in enumerate(subject.blocks):
        if answer.role == "assistant" and subject.trains_on(answer) and _reads(answer, subject):
            if i and not any(_reads(block, subject) for block in subject.blocks[:i]):
                message = (
                    f"no turn before block '{answer.name}' uses an input: every row asks the same, and the answer "
                    "cannot be told from it; say in the prompt what the answer is about"
                )
                yield subject.at_block(subject.blocks[0], message)
            return


def _reads(block: Block, subject: Subject) -> bool:
    """Whether a block's text depends on the row, or on what was drawn above all blocks; its own draws do not count.

    Which turn is there at all depends on the row as well, where an `if` around it does.
    """
    if block.branch:
        return True
    known = {*subject.front.declared(), "choices", *_drawn_above(subject)}
    made_of = _made_of(subject.tree)
    pending = [name.name for name in block.node.find_all(nodes.Name)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in known:
            return True
        if name not in seen:
            seen.add(name)
            pending += sorted(made_of.get(name, ()))
    return False


def _drawn_above(subject: Subject) -> set[str]:
    """Variables that the top level draws: what one block says of them another may be about."""
    return {
        node.target.name
        for node in subject.tree.body
        if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name)
        if any(each.name in DRAWING for each in node.find_all(nodes.Filter))
    }


def _made_of(tree: nodes.Template) -> dict[str, set[str]]:
    """Of each variable, loop variable and macro, the names in what it is made of, and in the conditions around that."""
    found: dict[str, set[str]] = {}
    for node in tree.find_all((nodes.Assign, nodes.AssignBlock, nodes.For, nodes.Macro, nodes.If)):
        read = {name.name for name in node.find_all(nodes.Name) if name.ctx == "load"}
        given = {name.name for name in node.find_all(nodes.Name) if name.ctx != "load"}
        given |= {name.name for name in node.find_all(nodes.NSRef)}  # set state.rest = …
        for target in given | ({node.name} if isinstance(node, nodes.Macro) else set()):
            found.setdefault(target, set()).update(read)
    return found


def unguarded_input(subject: Subject) -> Iterator[Hit]:
    """Printing an optional input without a default outside of any condition."""
    optional = {name for name, given in subject.front.declared().items() if given.optional and given.default is None}
    said: set[str] = set()
    for block in subject.blocks:
        if optional and not block.branch:
            for output in _unconditional(block.node.body):
                for part in output.nodes:
                    if isinstance(part, nodes.Name) and part.name in optional - said:
                        said.add(part.name)
                        message = (
                            f"'{part.name}' may be missing, and printing none drops the row; guard it with "
                            f"{{% if {part.name} %}}, or give it a default"
                        )
                        yield subject.at(part.lineno, part.name, message)


def _unconditional(body: Iterable[nodes.Node]) -> Iterator[nodes.Output]:
    for node in body:
        if isinstance(node, nodes.Output):
            yield node
        elif isinstance(node, nodes.With | nodes.FilterBlock):
            yield from _unconditional(node.body)
