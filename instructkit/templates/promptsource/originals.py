"""promptsource's YAML files, read as data: what a template says there, and on which line.

dataset: glue
subset: mrpc
templates:
  3b88d2c4-…: !Template
    answer_choices: no ||| yes
    id: 3b88d2c4-…
    jinja: 'Do these mean the same? {{sentence1}} {{sentence2}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {choices_in_prompt: false, languages: [en], metrics: [Accuracy], original_task: true}
    name: same thing
    reference: ''

Source: bigscience-workshop/promptsource, promptsource/templates.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructkit.errors import Fault, TemplateFault
from instructkit.templates.positions import Path as Keys
from instructkit.templates.positions import read_yaml

SEPARATOR = "|||"
TEXTS = ("answer_choices", "id", "jinja", "name", "reference")


@dataclass(frozen=True, kw_only=True)
class Original:
    """One template as promptsource holds it."""

    file: str
    """The YAML file, as it is to be shown."""
    line: int
    dataset: str
    subset: str | None
    name: str
    id: str
    jinja: str
    answer_choices: str | None = None
    """Jinja that prints the choices, with `|||` between them."""
    reference: str = ""
    metrics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    original_task: bool | None = None
    """Whether it asks for what the dataset was made for."""
    choices_in_prompt: bool | None = None
    fault: str = ""
    """Why it cannot be read; empty where it can."""

    @property
    def corpus(self) -> str:
        """`glue/mrpc`: dataset and subset."""
        return f"{self.dataset}/{self.subset}" if self.subset else self.dataset

    def choices(self) -> list[str] | None:
        """The choices where they are plain text, the same for every row; None where there are none, or Jinja."""
        if self.answer_choices is None or any(sign in self.answer_choices for sign in ("{{", "{%", "{#")):
            return None
        return [choice.strip() for choice in self.answer_choices.split(SEPARATOR)]


def yaml_files(path: Path) -> list[Path]:
    """The file, or every YAML file below the folder."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml"))


def read_originals(path: Path, shown: str) -> list[Original]:
    """The templates of one file, in its order. Raises TemplateFault where it is none of promptsource's."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        data, positions, _, faults = read_yaml(source, shown, first_line=1, as_text=_is_text)
    except UnicodeDecodeError:
        raise TemplateFault([Fault(shown, 0, 0, "not UTF-8 text; promptsource writes UTF-8")]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = f"not YAML: {getattr(error, 'problem', None) or 'characters that YAML does not allow'}"
        raise TemplateFault([Fault(shown, line, column, message)]) from None
    faults = [fault for fault in faults if "given twice" in fault.message]
    if not isinstance(data, dict) or not isinstance(data.get("templates"), dict) or not data.get("dataset"):
        message = "not a file of promptsource's: expected the keys 'dataset' and 'templates', the latter by id"
        raise TemplateFault([*faults, Fault(shown, 1, 1, message)])
    originals = []
    for key, entry in data["templates"].items():
        line = positions[("templates", key)][0]
        wrong = next(_wrong(entry), None)
        if wrong:
            named = entry.get("name") if isinstance(entry, dict) else None
            name, dataset = named if isinstance(named, str) else key, str(data["dataset"])
            subset = data.get("subset") or None
            originals.append(
                Original(
                    file=shown, line=line, dataset=dataset, subset=subset, name=name, id=key, jinja="", fault=wrong
                )
            )
        else:
            originals.append(_original(entry, data, key, shown, line))
    if faults:
        raise TemplateFault(faults)
    return originals


def _is_text(path: Keys) -> bool:
    return path[0] in ("dataset", "subset") or path[-1] in TEXTS or (isinstance(path[-1], int))


def _wrong(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield "expected keys and values"
        return
    for key in ("jinja", "name"):
        if not isinstance(entry.get(key), str):
            yield f"the key '{key}' is missing, or is not text"
    if entry.get("metadata") is not None and not isinstance(entry["metadata"], dict):
        yield "'metadata' is not keys and values"


def _original(entry: dict[str, Any], data: dict[str, Any], key: str, shown: str, line: int) -> Original:
    metadata = entry.get("metadata") or {}

    def texts(name: str) -> tuple[str, ...]:
        found = metadata.get(name)
        return tuple(str(item) for item in found) if isinstance(found, list) else ()

    return Original(
        file=shown,
        line=line,
        dataset=str(data["dataset"]),
        subset=data.get("subset") or None,
        name=entry["name"],
        id=entry.get("id") or key,
        jinja=entry["jinja"],
        answer_choices=entry.get("answer_choices"),
        reference=entry.get("reference") or "",
        metrics=texts("metrics"),
        languages=texts("languages"),
        original_task=metadata.get("original_task"),
        choices_in_prompt=metadata.get("choices_in_prompt"),
    )
