"""From a data file to a template that loads, passes its own tests and can be previewed: the first draft to edit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from instructkit.errors import UsageFault
from instructkit.hashing import canonical_json
from instructkit.report.data_file import DataFile, source_name
from instructkit.report.draft.columns import Column, columns_of
from instructkit.report.draft.guess import Guess, guess
from instructkit.report.draft.inputs import Inputs, inputs_of
from instructkit.report.draft.reading import read_records
from instructkit.report.draft.writing import TASKS, draft
from instructkit.report.yaml_text import flow
from instructkit.stages.ingest.columns import MISSING, pick, without
from instructkit.stages.ingest.conversations import detect
from instructkit.stages.ingest.documents import Record
from instructkit.templates.direct import is_missing
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import SUFFIX, from_sources
from instructkit.templates.turns import Rendered

LOOKED_AT = 10_000
"""Records that are looked at."""
TRIED = 400
"""Short rows that are tried for the tests."""
LONG = 1_500
"""Characters of a test's inputs from which on they are shortened, where no row is shorter."""
SHORTENED = 400


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A template that was drafted."""

    name: str
    text: str
    """The file."""
    notes: list[str]
    """What was guessed, and why."""
    inputs: Inputs
    data: DataFile

    def preview_words(self, template: str, path: str) -> list[str]:
        """The command that shows it on the rows of its file: `template` and `path` as they are to be named there."""
        return _preview_words(self.data, self.inputs, template, path)


def new_template(
    data: DataFile, name: str | None = None, conversations: bool = False, answer: str | None = None
) -> Draft:
    """A draft for the records of a data file, checked and tested. `answer`: its column, where it is not to be guessed.

    Raises UsageFault where nothing can be made of it: no records, no texts, or conversations already (unless
    `conversations`: they are then taken for any other data).
    """
    records, said = read_records(data, LOOKED_AT)
    values = [record.value for record in records]
    if not conversations:
        _refuse_conversations(data, values)
    columns = columns_of(values)
    found = _answers_checked(guess(columns, data.path, answer), values)
    inputs = inputs_of(found, columns)
    chosen = name or f"{TASKS[found.task]}/{_plain(source_name(data.path))}"
    notes = _notes(data, records, columns, found, inputs, chosen) + said
    text = draft(found, inputs, notes)
    tests = _tests(chosen, text, found, inputs, records)
    if len(tests) < 2:
        notes.append(f"{len(tests)} tests: no more rows could be rendered; write some by hand.")
    text = draft(found, inputs, notes, tests)
    from_sources(chosen, {chosen + SUFFIX: text})
    return Draft(name=chosen, text=text, notes=notes, inputs=inputs, data=data)


def write_draft(made: Draft, folder: Path) -> Path:
    """Write a draft into a template folder. Raises UsageFault where a file is there already."""
    path = folder / (made.name + SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(made.text)
    except FileExistsError:
        raise UsageFault(f"{path}: is there already and is not overwritten; choose another --name task/name") from None
    return path


def _refuse_conversations(data: DataFile, values: Sequence[dict[str, Any]]) -> None:
    formats = [detect(value) for value in values]
    known = [each for each in formats if each is not None]
    if len(known) < 0.9 * len(values):
        return
    step = {"stage": "ingest.chat", "path": data.path, **({"records": data.records} if data.records else {})}
    raise UsageFault(
        f"{data.path}: holds conversations already ({known[0]}: {', '.join(list(values[0])[:6])}); `ingest.chat` takes "
        f"them as they are, without a template:\n    chats: {flow(step)}\nTo write a template for it all the same, add "
        "--anyway"
    )


def _answers_checked(found: Guess, values: Sequence[dict[str, Any]]) -> Guess:
    """How the answer of a question with options names one of them: by its text, its letter or its number."""
    if found.options is None:
        return found
    counts = {"text": 0, "letter": 0, "index": 0}
    for value in values:
        options, answer = value.get(found.options.root), value.get(found.target.root)
        if not isinstance(options, list) or answer is None:
            continue
        counts["text"] += answer in options
        counts["letter"] += (
            isinstance(answer, str) and len(answer) == 1 and 0 <= "ABCDEFGHIJ".find(answer) < len(options)
        )
        counts["index"] += type(answer) is int and 0 <= answer < len(options)
    best = max(counts, key=lambda way: counts[way])
    return replace(found, answer_is=best)  # type: ignore[arg-type]


def _notes(
    data: DataFile, records: Sequence[Record], columns: Sequence[Column], found: Guess, inputs: Inputs, template: str
) -> list[str]:
    """What was guessed and why, for the head of the file."""
    several = f"the first {LOOKED_AT:,}" if len(records) == LOOKED_AT else f"{len(records):,}"
    path = Path(data.path).name if Path(data.path).is_absolute() else data.path
    read = {**data.settings(inputs.text), "path": path}
    render = {"stage": "render", "templates": [template], **({"columns": inputs.columns} if inputs.columns else {})}
    notes = [
        f"A first draft by `instructkit templates new`, from {several} rows of {path}. Look at each guess:",
        "",
    ]
    for column in columns:
        if reason := found.reasons.get(column.expression):
            name = "text" if column.expression == inputs.text else inputs.names.get(column.root, column.root)
            is_input = name != column.root and "left out" not in reason
            as_input = f", read as `{name}`" if is_input else ""
            gap = f"; missing in {column.missing:.0%} of the rows" if 0.005 <= column.missing <= 0.9 else ""
            notes.append(f"  {column.expression}: {reason}{as_input}{gap}")
        elif not column.nested and not any(c.root == column.root for c in [*found.material, found.target]):
            notes.append(f"  {column.expression}: not used ({column.kind or 'of several types'})")
    if not found.is_named:
        notes += ["", "If another column is the answer, draft anew with --answer COLUMN."]
    notes += [
        "",
        "In a recipe, these steps read the file and render it:",
        f"    rows: {flow(read)}",
        f"    rendered: {flow(render)}",
        "and this shows what becomes of the rows:",
        "    " + shlex.join(_preview_words(data, inputs, template, path)),
        "",
    ]
    if found.task == "continue":
        notes.append(
            "With one column of texts and no answer, this asks to continue each from its beginning; replace it."
        )
    if found.task == "ask":
        notes.append("Nothing answers the questions, so nothing is trained on: the examples are for a model to answer.")
    if found.task == "classification" and found.choices and all(c.lstrip("-").isdigit() for c in found.choices):
        notes.append("The answers are numbers: say what they mean, in `choices` and in the assistant block.")
    if found.target.script not in ("Latin", "Chinese"):
        notes.append("The wording is English; for data in another language, word it in that one and set `languages`.")
    notes.append("The tests quote rows of the data: mind its licence.")
    return notes


def _preview_words(data: DataFile, inputs: Inputs, template: str, path: str) -> list[str]:
    words = ["instructkit", "templates", "preview", template, "--rows", path]
    words += [] if inputs.text == "text" else ["--text", inputs.text]
    words += ["--records", data.records] if data.records else []
    return words + [word for name, column in inputs.columns.items() for word in ("--column", f"{name}={column}")]


def _tests(name: str, text: str, found: Guess, inputs: Inputs, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Two short rows as tests, with different answers where there are some; what they expect is what is rendered."""
    compiled = Compiled(from_sources(name, {name + SUFFIX: text}))
    rows = [(_given(record.value, inputs), record) for record in records]
    ordered = sorted(rows, key=lambda row: len(canonical_json(row[0])))
    # The shortest rows of a file are its oddest: those behind the first twentieth, unless they are long.
    start = len(ordered) // 20
    short = ordered[start if len(canonical_json(ordered[start][0])) <= LONG else 0 :][:TRIED]
    wordings = list(compiled.template.front.wordings())
    with_options = bool(found.choices or found.options or found.lettered)
    tests: list[dict[str, Any]] = []
    answers: set[str] = set()
    for distinct in (True, False):
        for given, record in short:
            if len(tests) == 2:
                return tests
            given, shortened = _shortened(given, found, inputs)
            phrasing = wordings[len(tests) % len(wordings)]
            options = ("letters", "dashes")[len(tests) % 2] if with_options else None
            made = compiled.render(given, f"test {len(tests) + 1}", seed=0, phrasing=phrasing, options=options)
            if not isinstance(made, Rendered) or any(given == test["given"] for test in tests):
                continue
            answer = made.turns[-1].content
            key = made.turns[-1].content if not with_options else canonical_json(given.get(_target(found, inputs)))
            if distinct and (key in answers or not answer or _is_told(made, with_options)):
                continue
            answers.add(key)
            place = record.file.name + (f":{record.line}" if record.line is not None else "")
            tests.append(
                {
                    "name": f"{place}, shortened" if shortened else place,
                    "phrasing": phrasing,
                    "options": options,
                    "given": given,
                    "expect": [{"role": turn.role, "content": turn.content} for turn in made.turns],
                }
            )
    return tests


def _target(found: Guess, inputs: Inputs) -> str:
    """The input that the answer is made of."""
    return inputs.expression(found.target).partition(".")[0].partition("[")[0]


def _is_told(made: Rendered, with_options: bool) -> bool:
    """Whether the prompt gives the answer away."""
    if made.turns[-1].role != "assistant":
        return False
    asked = "\n".join(turn.content for turn in made.turns if turn.role == "user")
    return not with_options and made.turns[-1].content in asked


def _given(value: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """The inputs of a record, as an ingest step would give them."""
    given = without(value, inputs.text)
    text = pick(value, inputs.text)
    found = {name: text if name == "text" else given.get(column) for column, name in inputs.names.items()}
    return {name: each for name, each in found.items() if each is not MISSING and not is_missing(each, empty=False)}


def _shortened(given: dict[str, Any], found: Guess, inputs: Inputs) -> tuple[dict[str, Any], bool]:
    """The inputs with long texts cut behind a word, where they are long."""
    if len(canonical_json(given)) <= LONG:
        return given, False
    cut = {name: _cut(value) if isinstance(value, str) else value for name, value in given.items()}
    return cut, cut != given


def _cut(text: str) -> str:
    if len(text) <= SHORTENED:
        return text
    head, space, _ = text[:SHORTENED].rpartition(" ")
    return (head if space and len(head) > SHORTENED // 2 else text[:SHORTENED]).rstrip()


def _plain(name: str) -> str:
    """A file's name as the name of a template."""
    plain = "".join(char if char.isalnum() else "_" for char in name).strip("_")
    return plain or "draft"
