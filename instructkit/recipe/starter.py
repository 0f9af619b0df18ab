"""The files of a new project: a first recipe with its data and template, or one of the recipes that come along.

A recipe that comes along may have data: the files of the folder beside it that is called like it.
"""

from __future__ import annotations

import json
from pathlib import Path

from instructkit.errors import UsageFault, did_you_mean

PACKAGE = Path(__file__).resolve().parent.parent
SCHEMAS = PACKAGE / "share" / "schemas"
"""JSON Schemas for editors; `make docs` makes them from the code, and a test keeps them current."""
SCHEMA_LINE = "# yaml-language-server: $schema=../.instructkit/recipe.schema.json\n"

RECIPE = f"""\
{SCHEMA_LINE}#
# instructkit check recipes/first.yaml     every fault, no work
# instructkit build recipes/first.yaml     build; run it again and only what changed is built
# instructkit show                         look at the result
recipe: first
seed: 17

steps:
  articles:     # one document a line; `text` names the column, the others become fields
    stage: ingest.jsonl
    path: data/*.jsonl
    text: body

  clean:
    stage: clean.text

  long_enough:
    stage: filter.length
    min_words: 5

  unique:
    stage: dedupe.minhash
    threshold: 0.8

  pairs:        # each document with each template
    stage: render
    templates: [articles/*]

  final:        # whole groups only: what stems from one document never lies in two splits
    stage: split
    train: 0.8
    validation: 0.1
    test: 0.1

  chat:
    stage: export.openai
"""

TEMPLATE = """\
---
summary: Ask for a headline for an article.
task: headline
inputs: [title, text]
languages: [en]
license: CC0-1.0
tests:
  - given: {title: Tides, text: The moon pulls the sea.}
    expect:
      - {role: user, content: "Write a headline for this article.\\n\\nThe moon pulls the sea."}
      - {role: assistant, content: Tides}
  - given: {title: "", text: The moon pulls the sea.}
    expect_drop: missing_input
---
{% block user %}
Write a headline for this article.

{{ text }}
{% endblock %}
{% block assistant %}{{ title }}{% endblock %}
"""

ARTICLES = [
    {
        "title": "How tides work",
        "body": "The moon pulls the sea towards it, and the earth turns beneath: twice a day the water rises.",
    },
    {
        "title": "Why bread rises",
        "body": "Yeast eats the sugar in the flour and breathes out gas; the dough holds it in many small bubbles.",
    },
    {
        "title": "What makes a rainbow",
        "body": "Each drop of rain bends sunlight, and every colour a little differently, so the light fans out.",
    },
    {
        "title": "How a compass finds north",
        "body": "The earth is a weak magnet; a needle free to turn lines up with its field and points north.",
    },
    {
        "title": "Why leaves turn red",
        "body": "In autumn trees take back the green from their leaves, and the reds and yellows beneath it show.",
    },
    {
        "title": "How tides work",
        "body": "The moon pulls the sea towards it, and the earth turns beneath: twice a day the water rises!",
    },
]

GITIGNORE = "build/\n"


def write_starter(folder: Path, recipe: str | None = None) -> tuple[list[Path], list[Path], Path]:
    """Write a new project, with `recipe` of those that come along, or else with a first one of its own.

    Returns the files written, those that were there and are kept, and the recipe. Raises UsageFault for an unknown one.
    """
    schemas = {f".instructkit/{path.name}": path.read_text(encoding="utf-8") for path in sorted(SCHEMAS.glob("*.json"))}
    if recipe is None:
        name, files = "first", {"templates/articles/headline.jinja": TEMPLATE, "data/articles.jsonl": _lines(ARTICLES)}
        text = RECIPE
    else:
        name, files = recipe, _data_of(_shipped(recipe))
        text = SCHEMA_LINE + "#\n" + _shipped(recipe).read_text(encoding="utf-8")
    files = {f"recipes/{name}.yaml": text, **files, **schemas, ".gitignore": GITIGNORE}
    written, kept = [], []
    for name_below, content in files.items():
        path = folder / name_below
        if path.exists():
            kept.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written, kept, Path("recipes") / f"{name}.yaml"


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come along, by name: inside an installed package, or at the top of a source checkout."""
    installed = PACKAGE / "share" / "recipes"
    folder = installed if installed.is_dir() else PACKAGE.parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _shipped(name: str) -> Path:
    known = shipped_recipes()
    if name not in known:
        raise UsageFault(f"no recipe '{name}' comes along{did_you_mean(name, known)} (recipes: {', '.join(known)})")
    return known[name]


def _data_of(recipe: Path) -> dict[str, str]:
    """Texts of the files below `recipes/library/`, for `recipes/library.yaml`, by their place in a project."""
    files = (path for path in sorted(recipe.with_suffix("").rglob("*")) if path.is_file())
    return {f"recipes/{file.relative_to(recipe.parent).as_posix()}": file.read_text(encoding="utf-8") for file in files}


def _lines(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
