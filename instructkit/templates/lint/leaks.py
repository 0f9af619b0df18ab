"""Whether the answer stands in the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import polars as pl
from jinja2 import nodes

from instructkit.templates.checknames import reached
from instructkit.templates.lint.choices import row_choices
from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.flows import reaching
from instructkit.templates.lint.samples import Sample
from instructkit.templates.lint.subject import Block, Subject
from instructkit.templates.lint.wording import printed_names
from instructkit.templates.turns import Rendered
from instructkit.text.normalise import normalised
from instructkit.text.words import UNSPACED, word_count

LEAK_WORDS = 8
LEAK_CHARACTERS = 16
"""Of an answer, from which on it is told from words that any passage may hold: an extracted span is mostly shorter."""
LEAK_SHARE = {"test": 1.0, "row": 0.5}
"""Of the answers, from which on they leak: a test may show the one case that copies (a text without any mistake)."""


def answer_in_prompt(subject: Subject) -> Iterator[Hit]:
    """A target printed in a turn before the answer; or the rendered answer in the rendered prompt."""
    shown = list(_shown_targets(subject))
    yield from shown
    if not shown:
        yield from _rendered_leaks(subject)


def _shown_targets(subject: Subject) -> Iterator[Hit]:
    # Joined or looped over, an object gives its keys, which the prompt may name.
    inputs = {name for name, given in subject.front.declared().items() if given.type != "object"}
    if isinstance(subject.front.choices, str):
        inputs.discard(subject.front.choices)
    inputs -= {n for case in subject.front.tests for n, value in case.given.items() if isinstance(value, dict)}
    declared = bool(subject.front.targets)
    said: set[tuple[str, str]] = set()
    for i, answer in enumerate(subject.blocks):
        if answer.role != "assistant" or not subject.trains_on(answer):
            continue
        used = reached([answer.node], subject.tree)
        targets = (
            set(subject.front.targets) & used if subject.front.targets else _only_input(answer, subject)
        ) & inputs
        for prompt in subject.blocks[:i]:
            if prompt.role == "assistant" or not prompt.stands_with(answer):
                continue
            for name, line in _reaching(prompt, answer, subject) if declared else _printed(prompt, subject):
                if name in targets and (prompt.name, name) not in said:
                    said.add((prompt.name, name))
                    message = (
                        f"block '{prompt.name}' prints '{name}', which block '{answer.name}' answers with; ask without "
                        "it, or say `allow: [answer_in_prompt]` where copying is the task"
                    )
                    yield subject.at(line, name, message)


def _only_input(answer: Block, subject: Subject) -> set[str]:
    """The input that is all of an answer: `{{ title }}`, at most trimmed or in other case."""
    parts = [part for node in answer.node.body if isinstance(node, nodes.Output) for part in node.nodes]
    printed = [part for part in parts if not isinstance(part, nodes.TemplateData) or part.data.strip()]
    if len(printed) != 1 or any(not isinstance(node, nodes.Output | nodes.Assign) for node in answer.node.body):
        return set()
    if isinstance(printed[0], nodes.CondExpr):
        return set()
    names = printed_names(printed[0], subject.sets)
    return names if len(names) == 1 and not list(printed[0].find_all(nodes.Concat)) else set()


def _reaching(prompt: Block, answer: Block, subject: Subject) -> Iterator[tuple[str, int]]:
    """What a prompt prints of any input. Where the answer is a slice, no slice counts."""
    whole = {name for name, _ in reaching(subject.tree, answer.node, cut=False)}
    yield from reaching(subject.tree, prompt.node, cut=False)
    for name, line in reaching(subject.tree, prompt.node):
        if name in whole:
            yield name, line


def _printed(block: Block, subject: Subject) -> Iterator[tuple[str, int]]:
    for output in block.node.find_all(nodes.Output):
        for part in output.nodes:
            for name in sorted(printed_names(part, subject.sets)):
                yield name, part.lineno


def _rendered_leaks(subject: Subject) -> Iterator[Hit]:
    for kind, group in groupby(subject.samples, key=lambda sample: sample.kind):
        judged = [(sample, leak) for sample in group for leak in _leaks(sample, subject)]
        leaking = [sample for sample, leak in judged if leak]
        if leaking and len(leaking) >= LEAK_SHARE[kind] * len(judged):
            answers = [block for block in subject.blocks if block.role == "assistant"]
            message = (
                f"the answer stands word for word in the prompt in {len(leaking)} of {len(judged)} answers (first "
                f"{leaking[0].where}); ask without it, or say `allow: [answer_in_prompt]` where copying is the task"
            )
            yield subject.at_block(answers[0], message)


def _leaks(sample: Sample, subject: Subject) -> Iterator[bool]:
    """Of each answer, whether it is long and stands in a turn before it that is not the assistant's."""
    if not isinstance(sample.result, Rendered):
        return
    choices = row_choices(sample, subject)
    turns = sample.result.turns
    for i, turn in enumerate(turns):
        if turn.role != "assistant" or turn.weight == 0:
            continue
        if not _is_long(turn.content) or turn.content.endswith(choices):  # "B. positive": an option with its label
            yield False
            continue
        answer, prompt = _plain([turn.content, "\n".join(t.content for t in turns[:i] if t.role != "assistant")])
        yield answer in prompt


def _is_long(answer: str) -> bool:
    frame = pl.DataFrame({"text": [answer]}).select(
        word_count(pl.col("text")).alias("words"), pl.col("text").str.count_matches(f"[{UNSPACED}]").alias("unspaced")
    )
    words, unspaced = frame.row(0)
    return bool(words - unspaced >= LEAK_WORDS or unspaced >= LEAK_CHARACTERS)


def _plain(texts: list[str]) -> list[str]:
    frame = pl.DataFrame({"text": texts})
    return frame.select(normalised(pl.col("text"), ("case", "punctuation", "whitespace")))["text"].to_list()
