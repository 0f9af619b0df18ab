"""The choices of a question, and which of them its answer names.

{"choices": ["x", "y"], "answer": 1}                             MMLU (cais/mmlu), counted from 0
{"options": ["x", "y"], "answer": "B"}                           RACE, AQuA, MMLU-Pro
{"endings": ["x", "y"], "label": "1"}                            HellaSwag, counted from 0
{"choices": {"text": ["x", "y"], "label": ["A", "B"]}, ...}      ARC, CommonsenseQA, OpenBookQA: `answerKey: B`
{"options": {"A": "x", "B": "y"}, "answer": "B"}                 MedQA
{"A": "x", "B": "y", "answer": "B"}                              C-Eval, CMMLU, MMLU as a table
{"option1": "x", "option2": "y", "answer": "2"}                  WinoGrande, counted from 1
{"sol1": "x", "sol2": "y", "label": 1}                           PIQA, counted from 0
{"opa": "x", "opb": "y", "cop": 1}                               MedMCQA, counted from 0
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any, NamedTuple

LISTS = ("choices", "options", "endings")
KEYS = (
    "answerKey",  # ARC, CommonsenseQA, OpenBookQA
    "answer_idx",  # MedQA, where `answer` is the text
    "label",  # HellaSwag, PIQA
    "cop",  # MedMCQA
)
"""Columns that name a choice and are nothing without choices."""
COLUMNS = (
    # Columns that are one choice each, and what an answer calls them; of numbers alone: counted from 0.
    (tuple(ascii_uppercase[:10]), tuple(ascii_uppercase[:10])),
    (tuple(f"option{n}" for n in range(1, 6)), tuple("12345")),
    (tuple(f"sol{n}" for n in range(1, 3)), tuple("01")),
    (tuple(f"op{letter}" for letter in "abcd"), tuple("0123")),
)
INNER = ("text", "content", "value")
"""Of an object that stands for a text."""


class Choices(NamedTuple):
    """What may be answered."""

    labels: list[str]
    """What each is called; empty where they are only counted."""
    texts: list[str]


def choices_of(value: dict[str, Any]) -> Choices | None:
    """The choices of a row; None where it has none."""
    for given in (value[name] for name in LISTS if name in value):
        if isinstance(given, list) and given:
            labels = [str(each["label"]) for each in given if isinstance(each, dict) and "label" in each]
            return Choices(
                labels if len(labels) == len(given) else [], [text for each in given for text in texts(each)]
            )
        if isinstance(given, dict) and isinstance(given.get("text"), list):
            called = given.get("label")
            return Choices([str(each) for each in called] if isinstance(called, list) else [], texts(given["text"]))
        if isinstance(given, dict) and given and all(isinstance(text, str) for text in given.values()):
            return Choices(list(given), list(given.values()))
    for names, said in COLUMNS:
        there = [(label, str(value[name])) for name, label in zip(names, said, strict=True) if _says(value, name)]
        if len(there) > 1:
            return Choices([label for label, _ in there], [text for _, text in there])
    return None


def chosen(choices: Choices, answer: Any, counted: bool) -> str | None:
    """The choice that an answer names by its label, its number from 0, or a letter; None where it names none.

    `counted`: whether a number that is written as text counts as one ("3"), and is not the answer itself.
    """
    if isinstance(answer, bool) or not isinstance(answer, int | str):
        return None
    said = str(answer).strip()
    if said in choices.labels and len(choices.labels) == len(choices.texts):
        return choices.texts[choices.labels.index(said)]
    if isinstance(answer, str) and not counted and said in choices.texts:
        return said
    if len(said) == 1 and said.isascii() and said.isalpha():
        place = ord(said.upper()) - ord("A")
    elif isinstance(answer, int) or (counted and said.isdecimal()):
        place = int(said)
    else:
        return None
    return choices.texts[place] if 0 <= place < len(choices.texts) else None


def texts(value: Any) -> list[str]:
    """All texts of a value: of a list those of its items, of an object that of its `text`."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    if isinstance(value, dict):
        return next((texts(value[name]) for name in INNER if name in value), [])
    if isinstance(value, str):
        return [value]
    return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _says(value: dict[str, Any], name: str) -> bool:
    given = value.get(name)
    return not isinstance(given, bool) and isinstance(given, str | int | float) and bool(str(given).strip())
