"""What the columns of a data file are likely for: which are the prompt, which the answer, and what the task is.

Names are read first (in English and Chinese), values second; each guess comes with its reason, for the author to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from instructkit.errors import UsageFault, did_you_mean
from instructkit.report.draft.columns import Column
from instructkit.report.draft.lettered import TELLING, lettered, names_one
from instructkit.report.draft.names import Role, language_of, role_of, words_of

Task = Literal[
    "classification", "multiple_choice", "qa", "reading", "instruction", "summary", "title", "translation", "pair",
    "continue", "ask",
]  # fmt: skip

MOST_CHOICES = 20
MOST_CHARACTERS = 60
"""Of an answer that is one of few."""
WRITTEN = 25
"""Characters (median) from which on a column may be what is written about the others, if it is twice as long as any."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What a first draft is made of."""

    task: Task
    material: list[Column]
    """What the prompt shows, the main one first."""
    target: Column
    """What the answer is made of; for `continue` and `ask`, which have none, the text itself."""
    choices: list[str] | None = None
    """The answers, where there are few."""
    options: Column | None = None
    """A column of lists of answers to choose from."""
    lettered: list[Column] = field(default_factory=list)
    """Columns that hold one answer to choose from each."""
    answer_is: Literal["text", "letter", "index"] = "text"
    """How the answer of `multiple_choice` names one of the options."""
    languages: tuple[str, str] | None = None
    """Of `translation`: from, to."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By expression: what it is taken for, and why."""
    is_named: bool = True
    """Whether a name says which column is the answer, or the caller did."""


def guess(columns: Sequence[Column], file: str, answer: str | None = None) -> Guess:
    """What to make of the columns. `answer`: the column or place that is the answer, where it is not to be guessed.

    Raises UsageFault where no column holds a text, or there is no such answer.
    """
    reasons: dict[str, str] = {}
    usable = [column for column in columns if _is_usable(column, columns, reasons)]
    prose = [c for c in usable if c.kind == "string"]
    roles = {c.expression: None if _is_named_left_out(c) else role_of(c) for c in usable}

    def having(role: Role, kinds: Sequence[str | None] = ("string",)) -> list[Column]:
        return [c for c in usable if roles[c.expression] == role and c.kind in kinds]

    if (letters := lettered(columns)) and (
        key := next((c for c in usable if names_one(c, letters) and _is_answer(c, roles, answer)), None)
    ):
        return _of_letters(key, letters, prose, roles, reasons)
    options = next((c for c in usable if roles[c.expression] == "options" and c.kind == "list" and not c.nested), None)
    if answer is not None:
        return _with_answer(_column(answer, columns, file), options, prose, roles, reasons)
    if (pair := _languages(prose)) is not None:
        first, second = pair
        names = (language_of(first), language_of(second))
        reasons[first.expression], reasons[second.expression] = f"{names[0]}, by its name", f"{names[1]}, by its name"
        return Guess(task="translation", material=[first], target=second, languages=names, reasons=reasons)
    answers = having("answer", ("string", "integer", "boolean")) + having("label", ("string", "integer", "boolean"))
    if options is not None and answers:
        return _with(answers[0], "multiple_choice", prose, roles, reasons, options=options)
    few = having("label", ("string", "integer", "boolean")) + having("answer", ("string", "integer", "boolean"))
    if labels := [c for c in few if _is_few(c, rows_each=2)]:
        return _with(labels[0], "classification", prose, roles, reasons, choices=_choices(labels[0]))
    if targets := having("answer"):
        return _with(targets[0], "qa", prose, roles, reasons)
    if (targets := having("summary")) and having("passage"):
        return _with(targets[0], "summary", prose, roles, reasons)
    unnamed = [c for c in usable if roles[c.expression] is None and c.kind in ("string", "boolean")]
    unnamed = [c for c in unnamed if not c.nested and _is_few(c, rows_each=4)]
    written = _written(prose, roles)
    if written is not None and not having("title"):
        reasons[written.expression] = "the answer: no name says so; it is by far the longest of the texts"
        return replace(_with(written, "pair", prose, roles, reasons), is_named=False)
    if unnamed and any(c not in unnamed for c in prose) and not having("title"):
        found = _with(unnamed[0], "classification", prose, roles, reasons, choices=_choices(unnamed[0]))
        return replace(found, is_named=False)
    if (targets := having("title")) and len(prose) > 1:
        return _with(targets[0], "title", prose, roles, reasons)
    if not prose:
        raise UsageFault(
            f"{file}: no column holds texts (columns: {', '.join(c.expression for c in columns) or 'none'})"
        )
    if len(prose) > 1:
        target = prose[-1]
        reasons[target.expression] = "the answer: no name says so; it is the last column of texts"
        return replace(_with(target, "pair", prose, roles, reasons), is_named=False)
    if roles[prose[0].expression] == "question":
        reasons[prose[0].expression] = "questions, by its name; no column holds answers"
        return Guess(task="ask", material=prose, target=prose[0], reasons=reasons)
    reasons[prose[0].expression] = "the only column of texts; nothing looks like an answer to it"
    return Guess(task="continue", material=prose, target=prose[0], reasons=reasons)


def _column(answer: str, columns: Sequence[Column], file: str) -> Column:
    names = {column.expression: column for column in columns}
    if answer not in names:
        raise UsageFault(
            f"{file}: no column '{answer}' to be the answer{did_you_mean(answer, names)} (columns: {', '.join(names)})"
        )
    column = names[answer]
    if column.kind not in ("string", "integer", "number", "boolean"):
        raise UsageFault(
            f"{file}: column '{answer}' holds no texts, numbers or truth values, so it cannot be the answer"
        )
    return column


def _is_answer(column: Column, roles: dict[str, Role | None], answer: str | None) -> bool:
    role = roles[column.expression]
    return column.expression == answer if answer is not None else role in ("answer", "label")


def _of_letters(
    target: Column,
    letters: list[Column],
    prose: Sequence[Column],
    roles: dict[str, Role | None],
    reasons: dict[str, str],
) -> Guess:
    """The guess where the options stand in columns of their own, and the answer is a letter."""
    telling = [c for c in prose if TELLING & {*words_of(c.name), c.name}]
    reasons |= {c.expression: "left out: by its name it tells the answer" for c in telling}
    shown = [c for c in prose if c not in letters and c not in telling]
    found = _with(target, "multiple_choice", shown, roles, reasons)
    reasons |= {c.expression: "one of the answers to choose from" for c in letters}
    return replace(found, lettered=letters, answer_is="letter") if found.task == "multiple_choice" else found


def _with_answer(
    target: Column,
    options: Column | None,
    prose: Sequence[Column],
    roles: dict[str, Role | None],
    reasons: dict[str, str],
) -> Guess:
    """The guess where the answer is given."""
    reasons[target.expression] = "the answer, as asked for"
    if options is not None and roles.get(target.expression) in ("answer", "label"):
        return _with(target, "multiple_choice", prose, roles, reasons, options=options)
    if target.kind in ("string", "boolean", "integer") and _is_few(target, rows_each=2):
        return _with(target, "classification", prose, roles, reasons, choices=_choices(target))
    tasks: dict[Role | None, Task] = {"answer": "qa", "summary": "summary", "title": "title"}
    return _with(target, tasks.get(role_of(target), "pair"), prose, roles, reasons)


def _written(prose: Sequence[Column], roles: dict[str, Role | None]) -> Column | None:
    """A column of free text beside others that say what it is about: care notes beside a name, light and water.

    Not where it is called a text to be read, nor where no other column tells the rows apart: a comment and a mark.
    """
    whole = sorted((c for c in prose if not c.nested), key=lambda c: -c.length)
    if len(whole) < 3 or roles[whole[0].expression] is not None:
        return None
    longest, *others = whole
    is_free = longest.length >= max(WRITTEN, 2 * others[0].length) and longest.spaced > 0.5
    tells_apart = any(_varies(other, rows_each=2) for other in others)
    return longest if is_free and _varies(longest, rows_each=4) and tells_apart else None


def _varies(column: Column, rows_each: int) -> bool:
    """Whether a value stands in fewer than so many rows, on average."""
    return column.distinct > 2 and (not column.values or rows_each * column.distinct > sum(column.values.values()))


def _with(
    target: Column,
    task: Task,
    prose: Sequence[Column],
    roles: dict[str, Role | None],
    reasons: dict[str, str],
    choices: list[str] | None = None,
    options: Column | None = None,
) -> Guess:
    """The target, and as material what is left that a prompt may show."""
    reasons.setdefault(target.expression, _why_target(target, task, roles))
    if options is not None:
        reasons[options.expression] = "the answers to choose from: a list in every row"
    shown = [c for c in prose if c.root != target.root or (c.nested and c.expression != target.expression)]
    # What tells the answer has no place in the prompt; a title does not, where it is not the target itself.
    shown = [c for c in shown if roles[c.expression] not in ("answer", "label", "options", "summary")]
    shown = shown or [c for c in prose if c.expression != target.expression]
    order: list[Role | None] = (
        ["passage", "title", None, "question"] if task == "qa" else ["question", "passage", None, "title"]
    )
    material = sorted(shown, key=lambda c: (*order, roles[c.expression]).index(roles[c.expression]))
    for column in material:
        role = roles[column.expression]
        reasons.setdefault(
            column.expression, f"shown in the prompt ({role}, by its name)" if role else "shown in the prompt"
        )
    asked = [c for c in material if {"instruction", "instructions", "prompt", "指令"} & {*words_of(c.name), c.name}]
    if task == "qa" and asked:
        task, material = "instruction", [*asked, *(c for c in material if c not in asked)]
    elif task == "qa" and len(material) > 1:
        task = "reading"
    if not material:
        return Guess(task="continue", material=[target], target=target, reasons=reasons)
    return Guess(task=task, material=material, target=target, choices=choices, options=options, reasons=reasons)


def _is_usable(column: Column, columns: Sequence[Column], reasons: dict[str, str]) -> bool:
    """Whether a template may read it; where not, the reason is noted."""
    if column.nested and (column.missing > 0.5 or role_of(column) in (None, "left_out")) and not language_of(column):
        return False  # what lies inside of a column counts where its name says what it is for
    if column.missing > 0.9:
        reasons[column.expression] = f"left out: missing in {column.missing:.0%} of the rows"
    elif not column.root.strip() and column.spaced < 0.1:
        reasons[column.expression] = "left out: a column without a name, such as numbers of rows"
    elif column.kind is None:
        reasons[column.expression] = "left out: its values are of several types"
    elif _is_named_left_out(column) and not _is_prose(column):
        reasons[column.expression] = "left out: by its name it is about the record"
    elif column.kind == "string" and column.spaced < 0.1 and column.distinct > MOST_CHOICES and column.length > 8:
        reasons[column.expression] = "left out: looks like keys or links"
    else:
        return not (column.nested and any(c.expression == column.root and c.kind is None for c in columns))
    return False


def _is_named_left_out(column: Column) -> bool:
    return role_of(column) == "left_out"


def _is_prose(column: Column) -> bool:
    """Whether it holds sentences whatever its name is: a `source` may be where a row is from, or what to translate."""
    return column.kind == "string" and column.spaced > 0.5 and column.length > 20 and column.distinct > MOST_CHOICES


def _is_few(column: Column, rows_each: int) -> bool:
    """Whether the values look like classes: few, short, and each in several rows (on average)."""
    counts = column.values.values()
    if not 2 <= len(counts) <= MOST_CHOICES or sum(counts) < rows_each * len(counts):
        return False
    return max(map(len, column.values)) <= MOST_CHARACTERS


def _choices(column: Column) -> list[str]:
    if column.kind == "boolean":
        return ["no", "yes"]
    return sorted(column.values, key=lambda value: (len(value), value) if value.isdigit() else (0, value))


def _why_target(column: Column, task: Task, roles: dict[str, Role | None]) -> str:
    role = roles[column.expression]
    named = f"{role}, by its name" if role else "no name says so"
    if task == "classification":
        few = ", ".join(f"{value} {count}" for value, count in list(column.values.items())[:6])
        more = f" and {len(column.values) - 6} more" if len(column.values) > 6 else ""
        return f"the answer ({named}): {len(column.values)} different values ({few}{more})"
    return f"the answer ({named})"


def _languages(prose: Sequence[Column]) -> tuple[Column, Column] | None:
    named = [column for column in prose if language_of(column)]
    different = {language_of(column): column for column in reversed(named)}
    if len(different) < 2 or len(prose) > len(named) + 1:
        return None
    first, second = list(reversed(different.values()))[:2]
    return first, second
