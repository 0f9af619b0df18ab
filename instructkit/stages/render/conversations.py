"""From rendered rows to frames of examples and drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from instructkit.schema import Drop, Example, Message, columns, empty
from instructkit.stages.contract import Outcome
from instructkit.templates.turns import Refusal, Turn
from instructkit.text.conversation import spoken_hash

INHERITED = ("source", "origin", "language", "group", "split")
"""What an example has from its document."""


def name_of(template: str, phrasing: str | None) -> str:
    """What stands behind the document in an example's id: `qa/open`, or `qa/open@terse` for one of all wordings."""
    return template if phrasing is None else f"{template}@{phrasing}"


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
        self.ids: list[str] = [f"{document}/{self._name}" for document in shard["id"].to_list()]
        """Of the examples, in the documents' order."""
        self._batches: dict[int, _Batch] = {}
        self._refused: list[tuple[int, Refusal]] = []

    def add(
        self, row: int, turns: Sequence[Turn], tools: str | None, variant: str | None, exemplars: Sequence[str] = ()
    ) -> None:
        """The conversation that was made of a row."""
        batch = self._batches.get(len(turns))
        if batch is None:
            batch = self._batches[len(turns)] = _Batch(len(turns))
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

    def refuse(self, row: int, refusal: Refusal) -> None:
        """Why there is none of a row."""
        self._refused.append((row, refusal))

    def outcome(self) -> Outcome:
        """Examples and drops, each in the documents' order."""
        # One frame for each length of conversations (most templates have one), then back into the documents' order.
        parts = [self._examples(batch) for batch in self._batches.values()]
        examples = pl.concat(parts) if parts else empty(Example)
        if len(parts) > 1:
            examples = examples[pl.Series([i for batch in self._batches.values() for i in batch.rows]).arg_sort()]
        return Outcome(examples, self._drops())

    def _examples(self, batch: _Batch) -> pl.DataFrame:
        source = self._documents if len(batch.rows) == self._documents.height else self._documents[batch.rows]
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
                else pl.Series([self._name if name == "template" else None] * len(self._refused), dtype=dtype)
                for name, dtype in columns(Drop).items()
            }
        )


_NOTHING_MORE = [None] * (len(Turn._fields) - 2)
