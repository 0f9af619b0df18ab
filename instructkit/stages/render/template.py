"""The shard stage that renders with one template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import polars as pl

from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.render.conversations import Conversations
from instructkit.stages.render.values import columns_of, with_column
from instructkit.templates.head import read_head
from instructkit.templates.rendering import compiled
from instructkit.templates.template import SUFFIX
from instructkit.templates.turns import Refusal


@dataclass(frozen=True, kw_only=True)
class RenderTemplate:
    """Render each document with one template. A recipe says `render`; this is what it unfolds into."""

    version: ClassVar[int] = 6
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[Noun | None] = Example

    template: str
    """Name of the template: its path in the template folder, without `.jinja`."""
    template_hash: str
    """Content hash of the template and of everything it imports; stands on every example."""
    sources: dict[str, str]
    """Text of the template and of everything it imports, by path in the template folder: no worker reads a file."""
    phrasing: str | None = None
    """The wording to render with; None: one drawn for each document."""
    seed: int = 0
    """Seed of what the template draws."""
    columns: dict[str, str] = field(default_factory=dict)
    """Input → the column that it is read from, for those that are not read from the column of their own name."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What the output depends on."""
        return packages_of(self.template, self.sources)

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """One example or one drop for each document, in the documents' order."""
        template = compiled(self.template, self.sources)
        made = Conversations(shard, self.template, self.template_hash, template.template.front.task, self.phrasing)
        columns = columns_of(template, shard, self.columns)
        left: Iterable[int] = range(shard.height)
        if template.direct is not None:
            numbers, variants = template.phrasings_of(shard.height, lambda: made.ids, self.seed, self.phrasing)
            left = made.add_plain(template.roles, template.direct.render(columns, numbers), variants)
        for i in left:
            values = {name: column[i] for name, column in columns.items()}
            result = template.render(values, made.ids[i], self.seed, self.phrasing)
            if isinstance(result, Refusal):
                made.refuse(i, with_column(result, self.columns))
            else:
                made.add(i, *result)
        return made.outcome()


def packages_of(template: str, sources: dict[str, str]) -> tuple[str, ...]:
    """Jinja, and what checks arguments of tools where the template may have any."""
    return ("jinja2", "jsonschema") if _has_tools(sources[template + SUFFIX]) else ("jinja2",)


@lru_cache(maxsize=1024)
def _has_tools(source: str) -> bool:
    front = read_head(source, "").front
    return front is not None and front.tools is not None
