"""The front matter of a converted template: what promptsource says of it, in our keys."""

from __future__ import annotations

from typing import Any

from instructkit.templates.frontcheck import RESERVED, is_name
from instructkit.templates.promptsource.choices import Choices
from instructkit.templates.promptsource.inputs import declare, printed_in
from instructkit.templates.promptsource.originals import Original
from instructkit.templates.promptsource.pieces import NotConverted, Pieces

LICENSE = "Apache-2.0"
METRICS = {
    "Accuracy": ("accuracy",),
    "BLEU": ("bleu",),
    "COQA F1": ("token_f1",),
    "Edit Distance": ("edit_similarity",),
    "ROUGE": ("rouge1", "rouge2", "rougeL"),
    "Squad": ("exact_match", "token_f1"),
    "Trivia QA": ("exact_match", "token_f1"),
}
"""promptsource's names for metrics in ours; Other, AUC, MultiRC and the correlations have no counterpart."""


def front_matter(original: Original, placed: Choices, body: Pieces, task: str | None) -> dict[str, Any]:
    """Its keys in the order of the file, without tests. Raises NotConverted where no input can be what it needs."""
    besides = {"choices"} if isinstance(placed.front, tuple) else set[str]()
    inputs = declare(body, placed.above, besides)
    for name in inputs:
        if not is_name(name) or name.lower() in RESERVED:
            raise NotConverted("a column whose name no input can have", name)
    if not inputs:
        raise NotConverted("reads nothing of the row", "its messages are the same for every row")
    quoted = f'"{original.name}" (id {original.id})'
    credit = f"; {' '.join(original.reference.split())}" if original.reference.strip() else ""
    targets = [name for name in inputs if name in printed_in(body, "assistant") - printed_in(body, "user")]
    metrics = dict.fromkeys(ours for theirs in original.metrics for ours in METRICS.get(theirs, ()))
    front: dict[str, Any] = {
        "summary": f"{_sentence(original.name)} ({original.corpus}).",
        "task": task or _task(original),
        "inputs": inputs if any(inputs.values()) else list(inputs),
    }
    if placed.front:
        front["choices"] = list(placed.front) if isinstance(placed.front, tuple) else placed.front
    if targets:
        front["targets"] = targets
    if metrics:
        front["metrics"] = list(metrics)
    if original.languages:
        front["languages"] = [language.lower() for language in original.languages]
    return {**front, "license": LICENSE, "source": f"promptsource, {original.corpus}, {quoted}{credit}"}


def _sentence(name: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _task(original: Original) -> str:
    """Promptsource names no task: choices and metrics tell what kind it is."""
    if original.original_task is False:
        return "other"
    if original.answer_choices is not None:
        return "classification" if original.choices() is not None else "multiple_choice"
    if {"Squad", "Trivia QA", "COQA F1", "MultiRC"} & set(original.metrics):
        return "question_answering"
    return "generation"
