"""What the front matter of a template may say: its keys, as structs; `head` reads it and reports its faults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
AnswerFrom = Literal["data", "model"]
InputType = Literal["string", "integer", "number", "boolean", "list", "object"]
Metric = Literal[
    "accuracy", "bleu", "chrf", "edit_similarity", "exact_match", "f1", "json_valid", "pass_at_1", "perplexity",
    "rouge1", "rouge2", "rougeL", "token_f1",
]  # fmt: skip
"""Names of measures that an evaluation may use. bleu and chrf as sacreBLEU has them, rouge as Lin 2004."""
LintRule = Literal[
    "answer_in_prompt", "choice_mismatch", "constant_answer", "constant_prompt", "duplicate_template", "empty_turn",
    "missing_languages", "missing_license", "missing_tests", "no_prompt", "no_rows", "placeholder", "role_order",
    "similar_phrasings", "summary_form", "trailing_space", "unanswered", "unguarded_input", "wrong_language",
]  # fmt: skip
"""Rules of `templates lint` that a template may switch off: all but `fault`."""

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value that a template reads from a document."""

    type: InputType | None = None
    """What the value must be; a row with another type is dropped. None: anything."""
    required: bool = True
    """False: the variable is none where the document lacks it, and the row is rendered all the same."""
    empty: bool = False
    """True: an empty text, list or object is a value like any other, an answer such as "none" can be made of it; only
    what is not there is missing. False: what is empty counts as missing."""
    default: Any = None
    """Stands in where the document lacks the value; an input with a default is not required."""
    description: str | None = None
    """What the value is, for readers."""

    @property
    def optional(self) -> bool:
        """Whether a row without the value is rendered."""
        return not self.required or self.default is not None


class ExpectedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One expected call of a tool."""

    name: str
    arguments: dict[str, Any] = {}


class ExpectedTurn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One expected message."""

    role: str
    content: str = ""
    weight: Weight | None = None
    """Weight of its loss; compared where it is given."""
    tool_calls: list[ExpectedCall] = []
    """The calls on the turn, in order."""


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of the template: what it makes of given inputs."""

    given: dict[str, Any]
    """The inputs of the row."""
    expect: list[ExpectedTurn] | None = None
    """The messages, exactly; a line break at the end of a content, which YAML's `|` puts there, does not count."""
    expect_drop: Text | None = None
    """The rule by which the row is dropped, instead of messages."""
    phrasing: Text | None = None
    """The phrasing to render; drawn as for any row when not given."""
    options: Text | None = None
    """The format of the answer options; drawn as for any row when not given."""
    name: str | None = None
    """What the test promises."""


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a template's front matter."""

    summary: Text
    """One sentence: what the template asks for."""
    task: Text
    """The kind of task, recorded on every example: summarization, translation, code_explanation."""
    inputs: list[str] | dict[str, Input | None]
    """The variables that the blocks use: a list of required names, or names with their conditions.

    `text`, `source`, `language` and `id` are the document's; all others come from its fields.
    """
    targets: list[Text] = []
    """Inputs that the answer is made of: what the other turns should not give away."""
    answer: AnswerFrom = "data"
    """Where the answer comes from. model: the conversation ends with the user's turn, for a model to answer."""
    choices: list[Text] | Text | None = None
    """The answers to choose from: a list of texts, or the name of an input that holds such a list. The variable
    `choices` in the body."""
    phrasings: list[Text] | dict[str, Text] = []
    """Several wordings of the same instruction, by name or numbered from 1. One is drawn for each row, and stands where
    the body says `{{ phrasing }}`; its name is the variable `phrasing_name`."""
    weights: dict[str, Weight] = {}
    """Weight of the loss of a turn, by block name; 0 is not trained on. Left out: 1 for the assistant and for a
    plain text, else 0."""
    tools: list[dict[str, Any]] | Text | None = None
    """Functions that the assistant can call: definitions `{name, description, parameters}`, bare or under `{type,
    function}`, or the name of an input that holds such a list. `tool_call(name, arguments)` calls one."""
    metrics: list[Metric] = []
    """How an evaluation should measure answers to this template."""
    languages: list[Language] = []
    """Languages of the template's own words, as ISO 639-1 codes."""
    license: Text | None = None
    """SPDX identifier of the template's own words."""
    source: Text | None = None
    """Where the template's wording comes from."""
    changes: list[Text] = []
    """What changed from version to version, newest first, each led by its date: `2026-11: shorter questions`."""
    allow: list[LintRule] = []
    """Rules of `instructkit templates lint` that do not apply to this template."""
    tests: list[Case] = []
    """What the template makes of given inputs; `instructkit templates test` runs them."""

    def declared(self) -> dict[str, Input]:
        """The inputs by name, in declared order, whichever form they were written in."""
        if isinstance(self.inputs, dict):
            return {name: given or Input() for name, given in self.inputs.items()}
        return {name: Input() for name in self.inputs}

    def variables(self) -> list[str]:
        """What the body may read beside the inputs."""
        return [*(["choices"] if self.choices is not None else []), *(["phrasing_name"] if self.phrasings else [])]

    def wordings(self) -> dict[str, str]:
        """The phrasings by name: those of a list are called 1, 2 …"""
        if isinstance(self.phrasings, dict):
            return self.phrasings
        return {str(number): text for number, text in enumerate(self.phrasings, 1)}


def front_matter_schema() -> dict[str, Any]:
    """JSON Schema of the front matter, generated from the structs above."""
    return msgspec.json.schema(FrontMatter)


def fits(value: Any, kind: InputType) -> bool:
    """Whether a value is of a declared type; true and false are no numbers."""
    return isinstance(value, PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
