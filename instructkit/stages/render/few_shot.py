"""The corpus stage that renders with one template and shows exemplars before each example.

sketch   render documents of the training split, smallest hashes first, until the shard's share of the pool is full
decide   the pool: of all shares the smallest hashes, one document of each group
apply    render each row; draw its exemplars from the pool; show them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import uniform
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.render.conversations import Conversations, name_of
from instructkit.stages.render.exemplars import (
    POOL,
    Exemplar,
    Pool,
    as_text,
    as_turns,
    is_answered,
    read_pool,
    write_pool,
)
from instructkit.stages.render.template import packages_of
from instructkit.stages.render.values import rows_of, with_column
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS
from instructkit.templates.rendering import compiled
from instructkit.templates.turns import Refusal, Rendered, Turn

Form = Literal["turns", "text"]
Shots = Annotated[int, msgspec.Meta(ge=0, le=100)] | list[Annotated[int, msgspec.Meta(ge=0, le=100)]]


class Shown(NamedTuple):
    """A rendered row with its exemplars."""

    turns: list[Turn]
    tools: str | None
    variant: str
    exemplar_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class RenderFewShot:
    """Render each document with one template, and show exemplars. A `render` step with `shots` unfolds into these."""

    version: ClassVar[int] = 3
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[Noun | None] = Example

    template: str
    """As in `RenderTemplate`."""
    template_hash: str
    """As in `RenderTemplate`."""
    sources: dict[str, str]
    """As in `RenderTemplate`."""
    phrasing: str | None = None
    """As in `RenderTemplate`."""
    seed: int = 0
    """Seed of what the template draws, and of shots and exemplars."""
    columns: dict[str, str] = field(default_factory=dict)
    """As in `RenderTemplate`."""
    shots: list[int] = field(default_factory=lambda: [1])
    """Numbers of exemplars, of which one is drawn for each row."""
    exemplars: Form = "turns"
    """How they are shown."""
    separator: str = "\n\n"
    """Between questions and answers, as text."""
    pool: int = 1_000
    """Exemplars to draw from, at most."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What the output depends on."""
        return packages_of(self.template, self.sources)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """The shard's share of the pool: columns of `POOL`, at most `pool` rows.

        Raises StageError where documents have no split.
        """
        if shard["split"].null_count():
            raise StageError(
                f"{shard['split'].null_count()} of {shard.height} documents have no split, and exemplars may come from "
                "the training split only: few-shot needs a split step before render"
            )
        template = compiled(self.template, self.sources)
        documents = shard.filter(pl.col("split") == "train")
        places = [uniform(self.seed, "exemplar", document) for document in documents["id"].to_list()]
        found: dict[str, Exemplar] = {}
        # Most of them will not be rendered: the smallest hashes first, until the share is full.
        documents = documents.with_columns(pl.Series("place", places, dtype=pl.Float64)).sort("place", "id")
        for start in range(0, documents.height, self.pool):
            some = documents.slice(start, self.pool)
            rows = zip(rows_of(template, some, self.columns), some.select("id", "group", "place").rows(), strict=True)
            for values, (document, group, place) in rows:
                if group in found or len(found) == self.pool:
                    continue
                example_id = f"{document}/{name_of(self.template, self.phrasing)}"
                result = template.render(values, example_id, self.seed, self.phrasing)
                if isinstance(result, Rendered) and self._can_be_shown(result.turns):
                    found[group] = Exemplar(id=document, group=group, place=place, rendered=result)
            if len(found) == self.pool:
                break
        return write_pool(found.values())

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The pool, in the order of the hashes: the `pool` smallest, one of each group."""
        ranked = sketches.select(POOL.names()).sort("place", "exemplar")
        return ranked.unique("group", keep="first", maintain_order=True).head(self.pool).collect()

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """One example or one drop for each document, in the documents' order."""
        template = compiled(self.template, self.sources)
        pool = Pool(read_pool(decision), self.seed)
        made = Conversations(shard, self.template, self.template_hash, template.template.front.task, self.phrasing)
        groups = shard["group"].to_list()
        for i, (values, example_id) in enumerate(zip(rows_of(template, shard, self.columns), made.ids, strict=True)):
            result: Rendered | Shown | Refusal = template.render(values, example_id, self.seed, self.phrasing)
            if isinstance(result, Rendered):
                result = self._with_exemplars(result, pool, example_id, groups[i])
            if isinstance(result, Refusal):
                made.refuse(i, with_column(result, self.columns))
            else:
                made.add(i, *result)
        return made.outcome()

    def _can_be_shown(self, turns: Sequence[Turn]) -> bool:
        """Whether a conversation can be an exemplar: what follows it must find it asked and answered."""
        return self._has_place(turns) and is_answered(turns)

    def _has_place(self, turns: Sequence[Turn]) -> bool:
        """Whether exemplars can stand before a conversation: it begins with a question; as text, one and its answer.

        It need not be answered: a row that ends in a call of a tool teaches just that.
        """
        roles = [turn.role for turn in turns if turn.role != "system"]
        if self.exemplars == "turns":
            return roles[:1] == ["user"]
        return roles == ["user", "assistant"] and not any(turn.tool_calls for turn in turns)

    def _with_exemplars(self, rendered: Rendered, pool: Pool, example_id: str, group: str) -> Shown | Refusal:
        shots = self.shots[int(uniform(self.seed, "shots", example_id) * len(self.shots))]
        if shots and not self._has_place(rendered.turns):
            roles = ", ".join(turn.role for turn in rendered.turns)
            return Refusal("no_place_for_exemplars", roles, None, f"exemplars as {self.exemplars} do not fit its turns")
        drawn = pool.draw(shots, example_id, group, rendered)
        if len(drawn) < shots:
            detail = f"{len(drawn)} answered exemplars of other groups and with the same tools, {shots} are to be shown"
            return Refusal("too_few_exemplars", str(len(drawn)), str(shots), detail)
        show = as_turns if self.exemplars == "turns" else as_text
        turns = show([exemplar.rendered.turns for exemplar in drawn], rendered.turns, self.separator)
        longest = max(len(turn.content) for turn in turns)
        if longest > MAX_MESSAGE_CHARACTERS:
            limit = str(MAX_MESSAGE_CHARACTERS)
            return Refusal("output_too_long", str(longest), limit, f"a message of {longest:,} characters")
        variant = ",".join([*([rendered.variant] if rendered.variant else []), f"shots={shots}"])
        return Shown(turns, rendered.tools, variant, [exemplar.id for exemplar in drawn])
