"""The reference pages made from stages, templates and trainings, and the JSON Schemas."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, get_args

from instructkit.audit.checks import CHECKS
from instructkit.recipe.fields import field_hints
from instructkit.recipe.reference import FieldDoc, field_docs, summary
from instructkit.recipe.schema import recipe_schema
from instructkit.stages.table import STAGES, stage_class
from instructkit.templates.frontmatter import front_matter_schema
from instructkit.templates.lint.rules import RULES
from instructkit.train.config.training import Training

GENERATED = "<!-- Made by `make docs`; change the docstrings it is made from. -->"


def schemas() -> dict[str, str]:
    """File name → JSON Schema."""
    found = {"recipe.schema.json": recipe_schema(), "template.schema.json": front_matter_schema()}
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in found.items()}


def stages_page() -> str:
    """Each stage: what it does, what rows it takes and gives, its keys."""
    classes = {name: stage_class(name) for name in STAGES}
    lines = [
        GENERATED,
        "# Stages",
        "",
        "What a step of a recipe can do: `stage:` names one of these, and the other keys of the step are its keys. "
        "`instructkit stages NAME` prints the same. Every stage that reads other steps takes `from:` too, the step or "
        "steps it reads; left out, it is the step above.",
        "",
        *table(("stage", "does"), ((f"[`{n}`](#{_anchor(n)})", _first(summary(c))) for n, c in classes.items())),
    ]
    for name, cls in classes.items():
        lines += ["", f"## `{name}`", "", summary(cls), "", f"{_rows(cls)} Version {cls.version}.", ""]
        lines += keys_table(field_docs(cls))
    return "\n".join(lines) + "\n"


def trainings_page() -> str:
    """The keys of a training, and of the mappings among them."""
    lines = [GENERATED, "# Trainings", "", "The keys of an entry under a recipe's `train:`.", "", summary(Training), ""]
    lines += keys_table(field_docs(Training))
    for name, nested in _nested(Training):
        lines += ["", f"## `{name}` as a mapping", "", summary(nested), "", *keys_table(field_docs(nested))]
    return "\n".join(lines) + "\n"


def lint_page() -> str:
    """The rules of `templates lint`."""
    rows = [(f"`{name}`", rule.severity, rule.finds, rule.why) for name, rule in RULES.items()]
    lines = [
        GENERATED,
        "# Lint rules",
        "",
        "What `instructkit templates lint` looks for in templates, each finding with its file, line and column. It "
        "exits 1 when there are errors, or with `--strict` warnings, and 2 when a template has a fault. A template "
        "switches rules off for itself in its front matter: `allow: [answer_in_prompt]`.",
        "",
        *table(("rule", "severity", "finds", "why, and what does not count"), rows),
    ]
    return "\n".join(lines) + "\n"


def audit_page() -> str:
    """The checks of `audit`."""
    rows = [(check.title, f"`{name}`", check.severity, check.finds, check.why) for name, check in CHECKS.items()]
    lines = [
        GENERATED,
        "# Checks of an audit",
        "",
        "What `instructkit audit PATH` looks for in instruction data from anywhere. It exits 1 when there are errors, "
        "or with `--strict` warnings, and 2 when a path cannot be read. A row counts once in each check, by the rule "
        "of it that marks it first; rows that are no conversation are looked at no further.",
        "",
        *table(("what its rows are", "name in the JSON", "severity", "finds", "why, and what does not count"), rows),
        "",
        "Beside that it says what the rows are like. *Lengths* are characters, and with `--model` tokens. *Wordings* "
        "are what is left of prompts when all that differs from row to row is masked: a stretch of words belongs to a "
        "wording where it stands in 1% of the prompts at their beginning or end, or in 5% elsewhere. *Languages* are "
        "those of answers, told by the fastest detector that is installed: with langdetect alone on 2,000 rows, "
        "spread over all.",
    ]
    return "\n".join(lines) + "\n"


def keys_table(docs: Iterable[FieldDoc]) -> list[str]:
    """Key, type, default and meaning."""
    rows = [
        (f"`{doc.name}`", doc.type, "required" if doc.default is None else f"`{doc.default}`", doc.doc) for doc in docs
    ]
    return table(("key", "type", "default", "meaning"), rows) if rows else ["It has no keys."]


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """A Markdown table."""
    head = list(head)
    lines = [[str(cell or "").replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *lines)]


def _rows(cls: type[Any]) -> str:
    takes = " or ".join(f"`{noun.__name__}`" for noun in cls.reads)
    if hasattr(cls, "file_format"):
        return f"Reads {takes} rows and writes {cls.file_format} files."
    gives = f"`{cls.yields.__name__}`" if cls.yields else "the same"
    return f"Reads {takes} rows and gives {gives}." if takes else f"Gives {gives} rows."


def _first(text: str) -> str:
    return text.partition("\n\n")[0].replace("\n", " ")


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _nested(cls: type[Any]) -> list[tuple[str, type[Any]]]:
    return [
        (name, member)
        for name, hint in field_hints(cls).items()
        for member in (hint, *get_args(hint))
        if isinstance(member, type) and dataclasses.is_dataclass(member)
    ]
