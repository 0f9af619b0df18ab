"""Markdown for pages that go with data and models: cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml


def front_matter(head: Mapping[str, object]) -> str:
    """YAML between lines of dashes, as the Hugging Face Hub reads it; ends without a line break."""
    return f"---\n{yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True)}---"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; what would break it in a cell is written so that it does not."""
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in row) + " |" for row in cells)


def fenced(text: str, language: str = "") -> str:
    """The text in a fence longer than any run of backticks that it holds."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def folded(title: str, text: str) -> str:
    """The text behind a title that a reader opens."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
