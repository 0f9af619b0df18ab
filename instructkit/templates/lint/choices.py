"""Whether the answer can be what `choices` lists, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.samples import Sample
from instructkit.templates.lint.subject import Block, Subject
from instructkit.templates.turns import Rendered


def row_choices(sample: Sample, subject: Subject) -> tuple[str, ...]:
    """The choices of a rendered row."""
    named = subject.front.choices
    if isinstance(named, str):
        given = sample.given.get(named)
        return tuple(text for text in given if isinstance(text, str)) if isinstance(given, list) else ()
    return subject.fixed_choices


def choice_mismatch(subject: Subject) -> Iterator[Hit]:
    """Answers that are texts of the template, but not among its choices; choices that can never be given."""
    if subject.front.choices is None:
        return
    answers = [b for b in subject.blocks if b.role == "assistant" and subject.trains_on(b)]
    if any(node.name == "option" for block in answers for node in block.node.find_all(nodes.Filter)):
        return  # the engine drops what is not a choice
    possible = {text for block in answers for text in _literal_answers(block)} if len(answers) == 1 else set()
    if possible and subject.fixed_choices:
        for text in sorted(possible - set(subject.fixed_choices)):
            message = f"the answer can be {text!r}, which `choices` does not list: {', '.join(subject.fixed_choices)}"
            yield subject.at_block(answers[0], message)
        for text in sorted(set(subject.fixed_choices) - possible):
            yield subject.at_key("choices", message=f"the answer is never {text!r}; remove it from `choices`")
        return
    for sample in subject.samples:
        choices = row_choices(sample, subject)
        if choices and isinstance(sample.result, Rendered):
            given = [turn.content for turn in sample.result.turns if turn.role == "assistant"]
            if not any(choice.casefold() in answer.casefold() for choice in choices for answer in given):
                message = (
                    f"in {sample.where} the answer is {given[-1][:60]!r} and holds none of the choices: "
                    f"{', '.join(choices[:10])}; list it, or answer with a choice"
                )
                yield subject.at_block(answers[-1] if answers else subject.blocks[-1], message)
                return


def _literal_answers(answer: Block) -> set[str]:
    """All answers, where the answer is one expression over texts that stand in it; empty where that is not so."""
    body = [node for node in answer.node.body if not isinstance(node, nodes.Assign)]
    parts = [part for node in body if isinstance(node, nodes.Output) for part in node.nodes]
    parts = [part for part in parts if not isinstance(part, nodes.TemplateData) or part.data.strip()]
    if len(body) != sum(isinstance(node, nodes.Output) for node in body) or len(parts) != 1:
        return set()
    return _literals(parts[0]) or set()


def _literals(node: nodes.Node | None) -> set[str] | None:
    """The texts that an expression can be, None where there may be others."""
    if isinstance(node, nodes.TemplateData):
        return {node.data.strip()}
    if isinstance(node, nodes.Const):
        return {node.value} if isinstance(node.value, str) else None
    if isinstance(node, nodes.CondExpr):
        return _union((node.expr1, node.expr2))
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.List | nodes.Tuple):
        return _union(node.node.items)
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Dict):
        return _union(pair.value for pair in node.node.items)
    return None


def _union(items: Iterable[nodes.Node | None]) -> set[str] | None:
    found: set[str] = set()
    for item in items:
        texts = _literals(item)
        if texts is None:
            return None
        found |= texts
    return found
