"""What is rendered: passages of the benchmarks' corpus with a few fields, and templates that bare Jinja renders too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpus import PIECE_CHARACTERS, Piece

PASSAGE_CHARACTERS = 400
"""Of a row's text: a paragraph."""
TITLE_CHARACTERS = 80
PIECES_PER_ROW = 1.1 * PASSAGE_CHARACTERS / PIECE_CHARACTERS
"""Pieces of the corpus that a row takes, with something to spare: a blank passage is no row."""
INPUTS = ("text", "kind", "part", "file", "title")
BODIES = {
    "plain": (
        "{% block user %}Give this passage of the {{ kind }} a title.\n"
        "\n"
        "{{ text }}\n"
        "(Part {{ part }} of {{ file }}){% endblock %}\n"
        "{% block assistant %}{{ title }}{% endblock %}\n"
    ),
    "logic": (
        "{% block user %}{% if part > 1 %}Go on with{% else %}Begin{% endif %} the list of titles.\n"
        "\n"
        "{{ text | trim }}\n"
        "{% for word in [kind, file] %}* {{ word | upper }} {% endfor %}{% endblock %}\n"
        "{% block assistant %}{{ part }}. {{ title }}{% endblock %}\n"
    ),
}
"""Bodies of five lines and two messages by name: inputs alone; a condition, a loop and filters."""
RAW = "  raw: {stage: ingest.jsonl, path: data/*.jsonl, text: text, key: number}\n"
STEP = "pairs"


def passages(pieces: Sequence[Piece], count: int) -> Iterator[dict[str, Any]]:
    """So many rows, fewer where the pieces give fewer."""
    number = 0
    for piece in pieces:
        for part, start in enumerate(range(0, len(piece.body), PASSAGE_CHARACTERS), start=1):
            text = piece.body[start : start + PASSAGE_CHARACTERS]
            title = text.strip().partition("\n")[0][:TITLE_CHARACTERS]
            if number < count and title:
                yield {
                    "number": number,
                    "kind": piece.kind,
                    "file": piece.title,
                    "part": part,
                    "title": title,
                    "text": text,
                }
                number += 1


def write_project(folder: Path, rows: Iterator[dict[str, Any]]) -> None:
    """A project with the rows as JSON Lines, the templates, and a recipe for each that renders them."""
    for name in ("data", "recipes", "templates/bench"):
        (folder / name).mkdir(parents=True)
    with (folder / "data/rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    for name, body in BODIES.items():
        head = f"---\nsummary: A benchmark.\ntask: benchmark\ninputs: [{', '.join(INPUTS)}]\n---\n"
        (folder / f"templates/bench/{name}.jinja").write_text(head + body, encoding="utf-8")
        render = f"  {STEP}: {{stage: render, templates: [bench/{name}]}}\n"
        recipe = f"recipe: {name}\nseed: 17\nsteps:\n{RAW}{render}"
        (folder / f"recipes/{name}.yaml").write_text(recipe, encoding="utf-8")
    (folder / "recipes/raw.yaml").write_text(f"recipe: raw\nseed: 17\nsteps:\n{RAW}", encoding="utf-8")


def message_bodies(body: str) -> dict[str, str]:
    """The text of each block by its role: a template for each message."""
    return dict(re.findall(r"{% block (\w+) %}(.*?){% endblock %}", body, flags=re.DOTALL))
