"""Columns by their usual names: which of a row's columns ask, which answer, and which is the passage that both rest on.

{"question": ..., "answer": ...}                        GSM8K and most of its kind
{"context": ..., "question": ..., "answers": {...}}     SQuAD: the first of several answers is meant
{"problem": ..., "solution": ...}                       MATH
{"prompt": ..., "chosen": ...}                          pairs of preferences: the better answer is meant
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

PROMPTS = ("prompt", "question", "instruction", "problem", "query", "inputs", "input")
ANSWERS = (
    "answer",
    "answers",
    "output",
    "response",
    "completion",
    "solution",
    "target",
    "targets",
    "chosen",
    "reference",
)
PASSAGES = ("context", "passage", "article", "document", "paragraph")
EVALUATION_PROMPTS = (
    *PROMPTS,
    "question_stem",  # OpenBookQA
    "sentence",  # WinoGrande
    "ctx",  # HellaSwag
    "goal",  # PIQA
)
EVALUATION_ANSWERS = (
    *ANSWERS,
    "canonical_solution",  # HumanEval
    "best_answer",  # TruthfulQA; `correct_answers` beside it are right too
    "correct_answers",
    "correct_answer",  # SciQ
    "correct answer",  # GPQA
    "code",  # MBPP
)
"""Names that only evaluations have, each with the data set that it is of."""
TEXTS = ("text", "content")
"""Of a row that is one plain text."""


class Usual(NamedTuple):
    """The columns of a row that have a usual name; None where there is none of a kind."""

    prompt: str | None
    answer: str | None
    passage: str | None


def usual_columns(value: dict[str, Any], prompts: Sequence[str] = PROMPTS, answers: Sequence[str] = ANSWERS) -> Usual:
    """Which columns of a row ask, answer and are the passage: of each kind the first name that holds something.

    A name is looked for as it is and in other cases (`Question`).
    """
    by_name = {name.lower(): name for name in reversed(value)}
    found = [
        next((by_name[name] for name in names if name in by_name and plain_text(value[by_name[name]])), None)
        for names in (prompts, answers, PASSAGES)
    ]
    return Usual(*found)


def empty_answer(value: dict[str, Any]) -> bool:
    """Whether a row has a column for its answer in which nothing stands."""
    by_name = {name.lower(): name for name in reversed(value)}
    name = next((by_name[name] for name in ANSWERS if name in by_name), None)
    return name is not None and (value[name] is None or (isinstance(value[name], str) and not value[name].strip()))


def usual_text(value: dict[str, Any]) -> str | None:
    """The column of a row that is one plain text; None where there is none."""
    return next((name for name in TEXTS if isinstance(value.get(name), str)), None)


def plain_text(value: Any) -> str | None:
    """The text of a column: a text or a number as it stands, of several the first, of an object its `text`.

    Of a list of turns the last one's content. None where there is no text in it.
    """
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        inner = next((value[name] for name in ("text", "content", "value") if name in value), None)
        return plain_text(inner)
    if isinstance(value, Sequence) and value:
        return plain_text(value[-1] if _is_turn(value[-1]) else value[0])
    return None


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "from" in value)
