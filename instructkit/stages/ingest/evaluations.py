"""Evaluations: files whose rows must not be trained on, read as prompts, answers and passages.

{"question": ..., "answer": ...}                    by the usual names of columns (`usual`), or those that are named
{"messages": [...]}, {"instruction": ..., ...}      conversations: what is asked, and what the assistant says
{"data": [{"paragraphs": [{"context", "qas"}]}]}    SQuAD's own files: a row for each question
{"question", "choices": [...], "answer": 2}         the answer is the choice that it names (`choices`)
{"text": ...}                                       a plain text is what is to be said: an answer without a prompt
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from instructkit.contamination.rows import EVALUATION
from instructkit.errors import InputError
from instructkit.stages.contract import InputPath
from instructkit.stages.ingest.choices import KEYS, choices_of, chosen, texts
from instructkit.stages.ingest.columns import MISSING, not_found, paths, pick
from instructkit.stages.ingest.conversations import NotConversationError, as_said, detect
from instructkit.stages.ingest.dataset import BadRow, DatasetFile, file_rows, open_dataset
from instructkit.stages.ingest.usual import (
    EVALUATION_ANSWERS,
    EVALUATION_PROMPTS,
    Usual,
    plain_text,
    usual_columns,
    usual_text,
)
from instructkit.text.view import BETWEEN

MORE_ANSWERS = ("correct_answers",)
"""Columns of more wordings that count as right, beside the answer: TruthfulQA."""
COLUMNS_SAID = 1000
"""Columns that an error lists from, at most."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An evaluation with the columns of its rows; `answers.text` reaches into objects."""

    path: InputPath
    """A file, folder or glob."""
    prompt: str | None = None
    """Column of what is asked. Left out, as are the two below: columns of usual names, or a conversation."""
    answer: str | None = None
    """Column of the answer, or of a list of answers that all count as right."""
    passage: str | None = None
    """Column of the text that prompt and answer are about."""

    @property
    def named(self) -> dict[str, str]:
        """The columns that are named, by what they are."""
        given = {"prompt": self.prompt, "answer": self.answer, "passage": self.passage}
        return {what: column for what, column in given.items() if column is not None}


def listed(against: str | Evaluation | Sequence[str | Evaluation]) -> list[Evaluation]:
    """The evaluations that a field names."""
    several = [against] if isinstance(against, str | Evaluation) else against
    return [Evaluation(path=each) if isinstance(each, str) else each for each in several]


def evaluation_files(evaluations: Sequence[Evaluation], root: Path = Path()) -> list[tuple[Evaluation, DatasetFile]]:
    """The files of evaluations, in order. Raises InputError where a path gives none."""
    return [(each, file) for each in evaluations for file in open_dataset(each.path, root).files]


def evaluation_rows(files: Sequence[tuple[Evaluation, DatasetFile]]) -> pl.DataFrame:
    """The rows of evaluations, as `EVALUATION`. Rows that say nothing are among them, with nothing to compare.

    Raises InputError for a row that cannot be read, and for a file without rows or in which no row has what is looked
    for.
    """
    frames = [pl.DataFrame(_rows(*each), schema=EVALUATION, orient="row") for each in files]
    return pl.concat([pl.DataFrame(schema=EVALUATION), *frames])


def said_columns(evaluation: Evaluation, file: DatasetFile) -> str:
    """What is taken from the first row of a file: `prompt from question, answer from answer`."""
    for raw in file_rows(file):
        if isinstance(raw, BadRow):
            continue
        for value in _questions(raw.value):
            if evaluation.named:
                return ", ".join(f"{what} from {column}" for what, column in evaluation.named.items())
            if (known := detect(value)) is not None:
                return f"prompt and answer from conversations ({known})"
            usual = _usual(value)
            if usual.prompt is None and usual.answer is None and (text := usual_text(value)) is not None:
                return f"the text from {text}"
            return ", ".join(f"{what} from {column}" for what, column in usual._asdict().items() if column)
    return "no rows"


def _rows(evaluation: Evaluation, file: DatasetFile) -> Iterator[dict[str, Any]]:
    known: set[str] = set()
    missing = dict(evaluation.named)
    any_row, any_text = False, False
    for raw in file_rows(file):
        if isinstance(raw, BadRow):
            raise InputError(f"{_place(file, raw.line)}: {raw.detail}; mend the row or take it out")
        for value in _questions(raw.value):
            try:
                row = _named(value, evaluation.named) if evaluation.named else _found(value)
            except (NotConversationError, TypeError) as error:  # TypeError: tool calls that JSON cannot hold
                place = _place(file, raw.line)
                raise InputError(f"{place}: {error}; name the columns (prompt, answer), or take the row out") from error
            missing = {what: column for what, column in missing.items() if pick(value, column) is MISSING}
            any_row, any_text = True, any_text or any(row.values())
            if (missing or not any_text) and len(known) < COLUMNS_SAID:
                known.update(paths(value))
            named = value.get("id")
            said = str(named) if isinstance(named, str | int) and not isinstance(named, bool) else None
            yield {"file": file.name, "line": raw.line, "id": said, **row}
    if missing and any_row:
        what, column = next(iter(missing.items()))
        raise InputError(f"{file.path}: {not_found(what, column, known)}")
    if not any_row:
        raise InputError(
            f"{file.path}: no rows, so nothing would be looked for; mend the file or take it out of the path"
        )
    if not any_text and evaluation.named:
        said = ", ".join(f"`{what}` ({column})" for what, column in evaluation.named.items())
        raise InputError(f"{file.path}: no row has text under {said}; name other columns, or take the file out")
    if not any_text:
        there = ", ".join(sorted(known)[:50]) or "none"
        raise InputError(
            f"{file.path}: no row has a prompt or an answer under a usual name, and none is a conversation (columns "
            f"found: {there}); name the columns: {{path: {evaluation.path}, prompt: …, answer: …}}"
        )


def _place(file: DatasetFile, line: int | None) -> str:
    return f"{file.path}:{line}" if line is not None else str(file.path)


def _questions(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row itself or, of an article or a paragraph of SQuAD, its questions with their passages.

    The question of ARC's own files holds its choices: `{"question": {"stem": ..., "choices": [...]}}`.
    """
    asked = value.get("question")
    if isinstance(asked, dict) and "stem" in asked:
        value = {**value, **asked, "question": asked["stem"]}
    paragraphs = value.get("paragraphs", [value])
    if not isinstance(paragraphs, list) or not all(_has_questions(paragraph) for paragraph in paragraphs):
        yield value
        return
    for paragraph in paragraphs:
        for question in paragraph["qas"]:
            yield {"context": paragraph.get("context"), **question}


def _has_questions(paragraph: Any) -> bool:
    asked = paragraph.get("qas") if isinstance(paragraph, dict) else None
    return isinstance(asked, list) and all(isinstance(question, dict) for question in asked)


def _named(value: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    found = {what: pick(value, column) for what, column in given.items()}
    prompt = found.get("prompt", MISSING)
    if _is_turns(prompt):
        prompt = BETWEEN.join(text for turn in prompt for text in texts(turn))
    answers = _answers(value, found.get("answer", MISSING))
    return {"prompt": _one(prompt), "answers": answers, "passage": _one(found.get("passage", MISSING))}


def _found(value: dict[str, Any]) -> dict[str, Any]:
    if detect(value) is not None:
        messages = as_said(value).messages
        asked = [m for m in messages if m.role not in ("assistant", "system")]
        # A system prompt is what many rows share, unless it is all that is asked.
        asked = asked or [m for m in messages if m.role == "system"]
        answer = BETWEEN.join(m.content for m in messages if m.role == "assistant")
        prompt = BETWEEN.join(m.content for m in asked)
        return {"prompt": prompt or None, "answers": [answer] if answer.strip() else [], "passage": None}
    usual = _usual(value)
    if usual.prompt is None and usual.answer is None:
        text = usual_text(value)
        return {"prompt": None, "answers": [value[text]] if text else [], "passage": None}
    # An empty column or a number of a choice may stand where no text was found.
    answers = _answers(value, value[usual.answer] if usual.answer else value.get("answer"), usual.answer in KEYS)
    more = [text for name in MORE_ANSWERS for text in texts(value.get(name)) if text.strip()]
    return {
        "prompt": _one(value[usual.prompt]) if usual.prompt else None,
        "answers": list(dict.fromkeys([*answers, *more])),
        "passage": _one(value[usual.passage]) if usual.passage else None,
    }


def _usual(value: dict[str, Any]) -> Usual:
    """The usual columns of an evaluation, and of choices the column that names the right one."""
    usual = usual_columns(value, EVALUATION_PROMPTS, EVALUATION_ANSWERS)
    key = next((name for name in KEYS if name in value and plain_text(value[name])), None)
    if key is not None and usual.prompt is not None and choices_of(value) is not None:
        usual = usual._replace(answer=key)
    if usual.prompt is None and usual.answer is not None:
        usual = usual._replace(prompt=usual_text(value))  # MBPP asks in `text`
    return usual


def _answers(value: dict[str, Any], answer: Any, counted: bool = False) -> list[str]:
    """The wordings of the answer; of a choice that is named by number or letter what it says."""
    choices = choices_of(value)
    if choices is not None and (found := chosen(choices, answer, counted)) is not None:
        return [found]
    return list(dict.fromkeys(text for text in texts(answer) if text.strip()))


def _one(value: Any) -> str | None:
    return None if value is MISSING else plain_text(value)


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value
    )
