"""From rendered rows to frames of examples and drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import polars as pl

from instructkit.schema import Drop, Example, Message, columns, empty
from instructkit.stages.contract import Outcome
from instructkit.templates.turns import Refusal, Turn
from instructkit.text.conversation import plain_hashes, spoken_hash

INHERITED = ("source", "origin", "language", "group", "split")
"""What an example has from its document."""


def name_of(template: str, phrasing: str | None) -> str:
    """What stands behind the document in an example's id: `qa/open`, or `qa/open@terse` for one of all wordings."""
    return template if phrasing is None else f"{template}@{phrasing}"


def in_phrasing(phrasing: str) -> str:
    """How the detail of a drop begins where all wordings are asked for: with the one that gave no example."""
    return f"phrasing {phrasing}: "


@dataclass
class _Batch:
    """Conversations of one number of messages, kept flat: a list for each row would busy the collector."""

    turns: int
    """Messages in each."""
    rows: list[int] = field(default_factory=list)
    """Row numbers in the shard."""
    roles: list[str] = field(default_factory=list)
    """Of all messages of all rows, one after the other; `contents` likewise."""
    contents: list[str] = field(default_factory=list)
    marked: list[tuple[int, Turn]] = field(default_factory=list)
    """Place among them of each message that has more than a role and a content."""
    hashes: list[str] = field(default_factory=list)
    tools: list[str | None] = field(default_factory=list)
    variants: list[str | None] = field(default_factory=list)
    exemplars: list[Sequence[str]] = field(default_factory=list)

    def messages(self) -> pl.Series:
        """The column of messages."""
        values: dict[str, list[Any]] = {"role": self.roles, "content": self.contents}
        for name in Turn._fields[2:]:
            given = [(place, value) for place, turn in self.marked if (value := getattr(turn, name)) is not None]
            if given:
                values[name] = [None] * len(self.contents)
                for place, value in given:
                    values[name][place] = value
        types = columns(Message)
        flat = pl.DataFrame([pl.Series(name, said, types[name]) for name, said in values.items()])
        fields = [pl.col(n) if n in values else pl.lit(None, dtype=dtype).alias(n) for n, dtype in types.items()]
        # Cut into rows of equal length: a tenth of the time of `pl.concat_list`.
        cut = pl.struct(fields).alias("messages").reshape((len(self.rows), self.turns)).arr.to_list()
        return flat.select(cut.cast(columns(Example)["messages"])).to_series()


class Conversations:
    """What a template made of the documents of a shard, row by row."""

    def __init__(self, shard: pl.DataFrame, template: str, template_hash: str, task: str, phrasing: str | None) -> None:
        """`phrasing`: the wording that all rows are rendered with, where it is not drawn; it is part of their ids."""
        self._documents = shard.select("id", *INHERITED)
        self._template, self._hash, self._task = template, template_hash, task
        self._name = name_of(template, phrasing)
        self._in_phrasing = "" if phrasing is None else in_phrasing(phrasing)
        self._batches: dict[int, _Batch] = {}
        self._refused: list[tuple[int, Refusal]] = []

    @cached_property
    def ids(self) -> list[str]:
        """Of the examples, in the documents' order."""
        return [f"{document}/{self._name}" for document in self._documents["id"].to_list()]

    def add(
        self, row: int, turns: Sequence[Turn], tools: str | None, variant: str | None, exemplars: Sequence[str] = ()
    ) -> None:
        """The conversation that was made of a row."""
        batch = self._batch(len(turns))
        batch.rows.append(row)
        spoken = []
        for turn in turns:
            role, content, *more = turn
            batch.roles.append(role)
            batch.contents.append(content)
            if more == _NOTHING_MORE:
                spoken.append({"content": content, "role": role})
            else:
                batch.marked.append((len(batch.contents) - 1, turn))
                spoken.append({name: value for name, value in turn._asdict().items() if value is not None})
        batch.hashes.append(spoken_hash(spoken, tools))
        batch.tools.append(tools)
        batch.variants.append(variant)
        batch.exemplars.append(exemplars)

    def add_plain(
        self, roles: Sequence[str], contents: list[str | None], variants: Sequence[str | None]
    ) -> Sequence[int]:
        """Conversations of rows 0, 1, 2 ... that have these roles and nothing but contents, given one after the other.

        Gives the numbers of the rows that have none yet: those whose contents are None.
        """
        left: list[int] = []
        rows = list(range(len(variants)))
        if None in contents:
            firsts = contents[:: len(roles)]
            left = [row for row in rows if firsts[row] is None]
            rows = [row for row in rows if firsts[row] is not None]
            variants = [variants[row] for row in rows]
            contents = [content for content in contents if content is not None]
        there = cast("list[str]", contents)
        batch = self._batch(len(roles))
        batch.rows += rows
        batch.roles += list(roles) * len(rows)
        batch.contents += there
        batch.hashes += plain_hashes(roles, there)
        batch.variants += variants
        batch.tools += [None] * len(rows)
        batch.exemplars += [()] * len(rows)
        return left

    def refuse(self, row: int, refusal: Refusal) -> None:
        """Why there is none of a row."""
        self._refused.append((row, refusal._replace(detail=self._in_phrasing + refusal.detail)))

    def outcome(self) -> Outcome:
        """Examples and drops, each in the documents' order."""
        # One frame for each length of conversations (most templates have one), then back into the documents' order.
        batches = [batch for batch in self._batches.values() if batch.rows]
        examples = pl.concat([self._examples(batch) for batch in batches]) if batches else empty(Example)
        rows = pl.Series([i for batch in batches for i in batch.rows], dtype=pl.UInt32)
        if not rows.is_sorted():
            examples = examples[rows.arg_sort()]
        return Outcome(examples, self._drops())

    def _batch(self, turns: int) -> _Batch:
        if turns not in self._batches:
            self._batches[turns] = _Batch(turns)
        return self._batches[turns]

    def _examples(self, batch: _Batch) -> pl.DataFrame:
        whole = batch.rows == list(range(self._documents.height))
        source = self._documents if whole else self._documents[batch.rows]
        made: dict[str, pl.Series | pl.Expr] = {
            "id": pl.col("id") + f"/{self._name}",
            "content_hash": pl.Series(batch.hashes, dtype=pl.String),
            "messages": batch.messages(),
            "tools": pl.Series(batch.tools, dtype=pl.String),
            "document_ids": pl.concat_list("id"),
            "exemplar_ids": pl.Series(batch.exemplars, dtype=pl.List(pl.String))
            if any(batch.exemplars)
            else pl.lit([], dtype=pl.List(pl.String)),
            "template": pl.lit(self._template),
            "template_hash": pl.lit(self._hash),
            "variant": pl.Series(batch.variants, dtype=pl.String),
            "task": pl.lit(self._task),
            "weight": pl.lit(1.0),
            "repeats": pl.lit(1.0),
            "meta": pl.lit("{}"),
        }

        def expression(name: str) -> pl.Expr:
            found = made.get(name, pl.col(name) if name in INHERITED else pl.lit(None))
            return pl.lit(found) if isinstance(found, pl.Series) else found

        return source.select(expression(name).cast(dtype).alias(name) for name, dtype in columns(Example).items())

    def _drops(self) -> pl.DataFrame:
        source = self._documents[[i for i, _ in self._refused]]
        reasons = pl.DataFrame(
            [refusal for _, refusal in self._refused],
            schema=dict.fromkeys(("rule", "value", "threshold", "detail"), pl.String),
            orient="row",
        )
        known = {"id": source["id"], "origin": source["origin"], **reasons.to_dict()}
        return pl.DataFrame(
            {
                name: known[name].cast(dtype)
                if name in known
                else pl.Series([self._template if name == "template" else None] * len(self._refused), dtype=dtype)
                for name, dtype in columns(Drop).items()
            }
        )


_NOTHING_MORE = [None] * (len(Turn._fields) - 2)
