"""The text of a first draft: front matter with what was guessed and why, phrasings, blocks, tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from instructkit.report.draft.columns import Column
from instructkit.report.draft.guess import Guess
from instructkit.report.draft.inputs import OFTEN, Inputs
from instructkit.report.draft.wording import MATERIAL, WORDINGS, Language, article, label_of
from instructkit.report.yaml_text import UNSEEN, entry, flow, scalar

WIDTH = 100
LINE = 60
"""Characters (median) up to which a value stands on one line with its label."""
TASKS = {
    "classification": "classification",
    "multiple_choice": "multiple_choice",
    "qa": "question_answering",
    "reading": "reading_comprehension",
    "instruction": "instruction",
    "summary": "summarization",
    "title": "title_generation",
    "translation": "translation",
    "pair": "generation",
    "continue": "continuation",
    "ask": "prompts",
}
LISTED = "listed_options"
"""The list made of options that stand in columns of their own; `choices` is for those of the head."""
METRICS = {
    "classification": ["accuracy"],
    "multiple_choice": ["accuracy"],
    "reading": ["exact_match", "token_f1"],
    "summary": ["rougeL"],
    "translation": ["chrf"],
}


def language_of(guess: Guess) -> Language:
    """The language that a draft is worded in: Chinese for Chinese texts, else English."""
    return "zh" if guess.material[0].script == "Chinese" else "en"


def draft(guess: Guess, inputs: Inputs, notes: Sequence[str], tests: Sequence[dict[str, Any]] = ()) -> str:
    """The file. `notes` stand as comments in its head."""
    language = language_of(guess)
    wording = WORDINGS[language][guess.task]
    words = {"FROM": "", "TO": "", "TARGET": article(guess.target.name) if language == "en" else guess.target.name}
    if guess.languages:
        words |= dict(zip(("FROM", "TO"), guess.languages, strict=True))
    phrasings = {
        name: _filled(text, words, _material(guess, inputs, language)) for name, text in wording.phrasings.items()
    }
    if guess.lettered:
        phrasings = {name: text.replace("{{ choices |", f"{{{{ {LISTED} |") for name, text in phrasings.items()}
    lines = ["---", *_comments(notes)]
    lines += entry("summary", _filled(wording.summary, words, ""))
    lines += entry("task", TASKS[guess.task])
    lines += ["inputs:"]
    for column, name in inputs.names.items():
        lines.append(f"  {scalar(name)}: {flow(_input(column, name, guess))}")
    if guess.task == "ask":
        lines += ["answer: model"]
    elif guess.task != "continue":
        lines += [f"targets: {flow([_root(inputs.expression(guess.target))])}"]
    if guess.options is not None:
        lines += [f"choices: {scalar(inputs.names[guess.options.root])}"]
    elif guess.choices:
        lines += ["choices:", *(f"  - {scalar(text)}" for text in guess.choices)]
    lines += ["phrasings:"]
    for name, text in phrasings.items():
        lines += entry(name, text, 2)
    lines += [f"metrics: {flow(METRICS[guess.task])}"] if guess.task in METRICS else []
    lines += [f"languages: [{language}]"]
    if tests:
        lines += ["tests:", *(line for test in tests for line in _test(test))]
    return "\n".join([*lines, "---", *_blocks(guess, inputs)]) + "\n"


def _root(expression: str) -> str:
    """The input that an expression begins with."""
    return re.match(r"\w+", expression)[0]  # type: ignore[index]


def _comments(notes: Sequence[str]) -> list[str]:
    lines = []
    for note in notes:
        note = UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", note)
        if note.startswith("    "):  # to be copied, so on one line
            lines.append(f"# {note}")
            continue
        indent = note[: len(note) - len(note.lstrip())]
        lines += wrap(
            note.strip(),
            WIDTH,
            initial_indent=f"# {indent}",
            subsequent_indent=f"# {indent}  ",
            break_on_hyphens=False,
            break_long_words=False,
        ) or ["#"]
    return lines


def _filled(text: str, words: dict[str, str], material: str) -> str:
    for name, word in words.items():
        text = text.replace(name, word)
    return text.replace(MATERIAL, material)


def _input(column: str, name: str, guess: Guess) -> dict[str, Any]:
    """Type and whether it may be missing. The document's text is always there, and always text."""
    if name == "text":
        return {"type": "string"}
    found = next(c for c in _columns(guess) if c.root == column)
    kind = (
        {"type": found.kind} if not found.nested and found.kind else {"type": "list" if _is_list(found) else "object"}
    )
    return kind | ({"required": False} if is_optional(found, guess) and not found.nested else {})


def is_optional(column: Column, guess: Guess) -> bool:
    """Whether a row without the value is rendered all the same."""
    others = [other for other in guess.material if other is not column]
    return column in guess.material and column.missing > OFTEN and any(other.missing <= OFTEN for other in others)


def _is_list(column: Column) -> bool:
    return column.expression.startswith(f"{column.root}[0]")


def _columns(guess: Guess) -> list[Column]:
    options = [guess.options] if guess.options else []
    return [*guess.material, guess.target, *options, *guess.lettered]


def _material(guess: Guess, inputs: Inputs, language: Language) -> str:
    """What the prompt shows: a single text as it is, several under their names."""
    if guess.task == "continue":
        return "{{ beginning }}"
    if len(guess.material) == 1:
        return f"{{{{ {inputs.expression(guess.material[0])} }}}}"
    text, certain = "", False
    for i, column in enumerate(guess.material):
        value = f"{{{{ {inputs.expression(column)} }}}}"
        part = value if guess.task == "instruction" else _label(column, language) + value
        if column.expression != inputs.text and is_optional(column, guess):
            given = inputs.expression(column)
            given = f"{given} is defined and {given}" if column.nested else given
            # The blank line comes and goes with the part; the line break behind a tag is none of the text.
            part = f"{_blank(guess, i)}{part}\n" if certain else f"{part}\n{_blank(guess, i + 1)}"
            text += "\n" * certain + f"{{% if {given} %}}\n{part}{{% endif %}}" + "\n" * (not certain)
        else:
            text += f"\n{_blank(guess, i)}{part}" if certain else part
            certain = True
    return text


def _label(column: Column, language: Language) -> str:
    between = "\n" if not is_line(column) else " " if language == "en" else ""
    return label_of(column.name, language) + between


def _blank(guess: Guess, i: int) -> str:
    """The blank line before a part of the prompt: labelled lines stand together, all else apart."""
    lines = all(map(is_line, guess.material[i - 1 : i + 1]))
    return "" if lines and guess.task != "instruction" else "\n"


def is_line(column: Column) -> bool:
    """Whether its values are short texts of one line."""
    return column.length <= LINE and column.lines < 0.1


def _blocks(guess: Guess, inputs: Inputs) -> list[str]:
    lines = _halves(guess, inputs) if guess.task == "continue" else []
    if guess.lettered:
        lines.append(f"{{% set {LISTED} = [{', '.join(inputs.expression(c) for c in guess.lettered)}] %}}")
    lines += ["{% block user %}", "{{ phrasing }}", "{% endblock %}"]
    if guess.task != "ask":
        lines.append(f"{{% block assistant %}}{_answer(guess, inputs)}{{% endblock %}}")
    return lines


def _halves(guess: Guess, inputs: Inputs) -> list[str]:
    """A text cut behind its first line; where most have but one, behind the first sentence; else in its middle."""
    column, value = guess.target, inputs.expression(guess.target)
    stop = "。" if column.script in ("Chinese", "Japanese") else ". "
    if column.lines >= 0.5:
        return [f'{{% set beginning, _, rest = {value}.partition("\\n") %}}']
    if column.sentences >= 0.5:
        return [
            f'{{% set first, stop, rest = {value}.partition("{stop}") %}}',
            "{% set beginning = (first ~ stop).strip() %}",
        ]
    if stop == "。":
        half = f"{value} | length // 2"
        return [f"{{% set beginning, rest = {value}[:{half}], {value}[{half}:] %}}"]
    return [
        f"{{% set words = {value}.split() %}}",
        "{% set half = words | length // 2 %}",
        '{% set beginning, rest = words[:half] | join(" "), words[half:] | join(" ") %}',
    ]


def _answer(guess: Guess, inputs: Inputs) -> str:
    value = inputs.expression(guess.target)
    if guess.task == "continue":
        return "{{ rest.strip() }}"
    if guess.task == "classification":
        if guess.target.kind == "boolean":
            value = f'("yes" if {value} else "no")'
        elif guess.target.kind != "string":
            value = f"{value} | string"
        return f"{{{{ {value} | option(choices) }}}}"
    if guess.task == "multiple_choice":
        choices = LISTED if guess.lettered else "choices"
        value = {
            "text": value,
            "letter": f'{choices}["ABCDEFGHIJ".index({value})]',
            "index": f"{choices}[{value}]",
        }[guess.answer_is]
        return f"{{{{ {value} | option({choices}) }}}}"
    return f"{{{{ {value} }}}}"


def _test(test: dict[str, Any]) -> list[str]:
    head = [(key, test[key]) for key in ("name", "phrasing", "options") if test.get(key)]
    lines = [f"    {line}" for key, value in head for line in entry(key, value)]
    lines += ["    given:", *(line for name, value in test["given"].items() for line in entry(name, value, 6))]
    lines += ["    expect:"]
    for turn in test["expect"]:
        lines += [f"      - role: {turn['role']}", *entry("content", turn["content"], 8)]
    lines[0] = "  - " + lines[0][4:]
    return lines
