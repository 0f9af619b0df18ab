"""The files of a new project."""

from __future__ import annotations

import json
from pathlib import Path

from instructkit.recipe.schema import recipe_schema
from instructkit.templates.frontmatter import front_matter_schema

RECIPE = """\
# yaml-language-server: $schema=../.instructkit/recipe.schema.json
#
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


def write_starter(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write a new project; returns the files written, and those that were there and are kept."""
    files = {
        "recipes/first.yaml": RECIPE,
        "templates/articles/headline.jinja": TEMPLATE,
        "data/articles.jsonl": "".join(json.dumps(article) + "\n" for article in ARTICLES),
        ".instructkit/recipe.schema.json": json.dumps(recipe_schema(), indent=1) + "\n",
        ".instructkit/template.schema.json": json.dumps(front_matter_schema(), indent=1) + "\n",
        ".gitignore": GITIGNORE,
    }
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        if path.exists():
            kept.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written, kept
