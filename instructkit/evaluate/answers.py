"""Which examples a model answers, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from instructkit.chat.labels import tools_of
from instructkit.chat.locate import locate
from instructkit.chat.rendering import ChatFormat
from instructkit.evaluate.decode import Decoding, Told
from instructkit.evaluate.generate import answers
from instructkit.evaluate.metrics.measures import DEFAULT, unmeasured
from instructkit.evaluate.result import Generation
from instructkit.evaluate.subject import Subject
from instructkit.models.load import Precision
from instructkit.schema import Example, records

Declared = Mapping[str, Sequence[str]]
"""Metrics by the hash of the template that declares them."""


def to_answer(examples: pl.DataFrame, *, total: int | None = None, per_template: int | None = None) -> pl.DataFrame:
    """Examples that end with a reply, in their order: the first `per_template` of each template, and of those at most
    `total`, taken from the templates in turn.
    """
    last = pl.col("messages").list.last().struct.field("role")
    found = examples.filter((last == "assistant") & (pl.col("messages").list.len() > 1))
    found = found.with_columns(turn=pl.int_range(pl.len()).over("template"))
    if per_template is not None:
        found = found.filter(pl.col("turn") < per_template)
    if total is not None:
        found = found.sort("turn", "template", maintain_order=True).head(total)
    return found.drop("turn")


def answer(
    subject: Subject,
    examples: pl.DataFrame,
    decoding: Decoding,
    declared: Declared,
    precision: Precision = "auto",
    told: Told | None = None,
) -> list[Generation]:
    """The model's replies to the prompts of examples that end with a reply, in their order.

    None for an example whose prompt leaves no room for one.
    """
    given = list(records(Example, examples))
    written = answers(subject, examples, decoding, precision, told)
    return [
        Generation(
            example_id=example.id,
            template=example.template,
            prompt=example.messages[:-1],
            expected=_expected(example, subject.chat),
            also_accepted=_also_accepted(example),
            reply=reply.text,
            tokens=reply.tokens,
            stopped=reply.stopped,
            sample=number,
            metrics=_metrics(subject.chat, declared, example.template_hash),
        )
        for example, several in zip(given, written, strict=True)
        for number, reply in enumerate(several)
    ]


def _metrics(chat: ChatFormat, declared: Declared, template_hash: str | None) -> list[str]:
    if chat.reads == "class":
        return ["accuracy"]
    return list(declared.get(template_hash or "") or DEFAULT)


def metric_notes(
    chat: ChatFormat, generations: Sequence[Generation], examples: pl.DataFrame, declared: Declared
) -> list[str]:
    """Which templates were measured by default, and which metrics are not measured on replies."""
    if chat.reads == "class":
        return []
    notes, hashes = [], dict(examples.select("id", "template_hash").iter_rows())
    undeclared = {g.template or "-" for g in generations if not declared.get(hashes[g.example_id] or "")}
    if undeclared:
        named = ", ".join(sorted(undeclared)[:5]) + (f" and {len(undeclared) - 5} more" if len(undeclared) > 5 else "")
        notes.append(f"no metrics declared by {named}: measured by {' and '.join(DEFAULT)}")
    for metric, reason in unmeasured().items():
        if any(metric in g.metrics for g in generations):
            notes.append(f"{metric} is not measured on replies: {reason}")
    return notes


def _expected(example: Example, chat: ChatFormat) -> str:
    """The last message; with tool calls, as the chat template writes them: that is what a model writes too."""
    if not example.messages[-1].tool_calls or chat.reads != "conversation":
        return example.messages[-1].content.strip() if chat.reads == "class" else example.messages[-1].content
    located = locate(example.messages, tools_of(example), chat)
    target = located.targets[-1]
    return located.text[target.start : target.end].strip().removesuffix(target.stop).strip()


def _also_accepted(example: Example) -> list[str]:
    """Endings that are as good as the last message. One with a score or rank is better or worse, which none says."""
    equals = [c for c in example.candidates or [] if c.score is None and c.rank is None and c.messages]
    return [c.messages[-1].content for c in equals]
