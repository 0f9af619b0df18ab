"""`group.by`: give records that share a value one group: the same page, author, file or conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.schema import Document, Drop, Example, Noun, empty
from instructkit.stages.contract import Outcome
from instructkit.stages.group.joining import document_ties, documents, hashed, united
from instructkit.stages.group.values import in_one, nothing_at, path_faults, value


@dataclass(frozen=True, kw_only=True)
class GroupBy:
    """Give records that share the value of a key one group, so that no split divides them.

    Nothing is dropped, and only `group` changes: groups are joined, never divided. Sharing one of several keys is
    enough, and a group is a chain: A and B of one author, B and C of one page are one group. All that stems from the
    documents of a group comes along. A record without the value is joined with nobody by that key.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash", "orjson")

    keys: Annotated[list[str | list[str]], msgspec.Meta(min_length=1)] = field(default_factory=list)
    """What is shared: `source`, `origin.file`, `language`, a path into `fields` (documents: `fields.url`) or into
    `meta` (examples: `meta.conversation_id`), on examples also `task` and `template`. A list is one key of several
    values that must all be the same: `[source, fields.author]`. Null, an empty text, list or object, and white space
    only are no value. A key that no record has stops the build."""

    def faults(self) -> list[str]:
        """No key, an empty one, or a path that can lie nowhere."""
        if not self.keys:
            return ["keys: name at least one value that records may share, such as fields.url"]
        empty_keys = ["keys: an empty list names no value"] if [] in self.keys else []
        return empty_keys + path_faults("keys", (path for key in self._parts() for path in key))

    def _parts(self) -> list[list[str]]:
        return [[key] if isinstance(key, str) else key for key in self.keys]

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """How many groups there are before and after, and how large the largest becomes.

        Raises StageError for a key that no record has.
        """
        if records is None:
            return ["groups are known once the rows above are built"]
        sketches = self._sketched(records).collect().lazy()
        before = sketches.select("group").collect()["group"]
        if before.is_empty():
            return []
        moves = self._moves(sketches, records)
        after = before.to_frame().join(moves, on="group", how="left").select(pl.coalesce("united", "group"))["united"]
        name, rows = after.value_counts().sort("count", "united", descending=[True, False]).row(0)
        return [
            f"{before.n_unique():,} groups become {after.n_unique():,}; the largest, '{name}', holds {rows:,} of "
            f"{len(after):,} rows ({rows / len(after):.1%})"
        ]

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """A hash of each key's value, 8 bytes; null where the record has none."""
        return self._sketched(shard.lazy()).collect()

    def _sketched(self, records: pl.LazyFrame) -> pl.LazyFrame:
        keys = []
        for number, parts in enumerate(self._parts()):
            values = [value(records, path, "keys") for path in parts]
            # The number keeps keys apart. Null where one of the values is.
            keys.append(hashed(pl.lit(f"{number} ") + in_one(values)).alias(f"key_{number}"))
        return records.select("id", "group", "split", documents(records), *keys)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The records that change their group, with the new one.

        Raises StageError for a key that no record has, and when records of one group lie in two splits.
        """
        moves = self._moves(sketches, records)
        _check_splits(sketches, moves)
        moving = sketches.select("id", "group").join(moves.lazy(), on="group").select("id", group="united")
        return moving.collect().sort("id")

    def _moves(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        keys = [f"key_{number}" for number in range(len(self.keys))]
        counts = sketches.select(pl.len(), *(pl.col(key).count() for key in keys)).collect().row(0)
        if counts[0]:
            for parts, there in zip(self._parts(), counts[1:], strict=True):
                if not there:
                    raise StageError(_missing(parts, records))
        groups = sketches.select("group").unique().collect()["group"]
        ties = [
            sketches.select(tie=key, group="group").drop_nulls().unique().filter(pl.len().over("tie") > 1).collect()
            for key in keys
        ]
        return united(groups, *ties, document_ties(sketches))

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Every row is kept, some with another group."""
        moved = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
        return Outcome(shard.with_columns(group=pl.coalesce(moved["group"], shard["group"])), empty(Drop))


def _check_splits(sketches: pl.LazyFrame, moves: pl.DataFrame) -> None:
    if moves.is_empty() or sketches.select(pl.col("split").n_unique() < 2).collect().item():
        return
    rows = sketches.join(moves.lazy(), on="group", how="left").select(
        "id", "split", group=pl.coalesce("united", "group")
    )
    sides = rows.group_by("group", "split").agg(pl.col("id").min()).filter(pl.len().over("group") > 1)
    apart = sides.sort("group", "split").collect()
    if apart.height:
        (one, other), count = apart.head(2).select("id", "split").rows(), apart["group"].n_unique()
        raise StageError(
            f"'{one[0]}' (split {one[1]}) and '{other[0]}' (split {other[1]}) share a key, or are linked by records "
            f"that do; groups of which that is true: {count:,}. What is joined must share a split: put `group.by` "
            "before the split step"
        )


def _missing(parts: list[str], records: pl.LazyFrame) -> str:
    there = records.select(value(records, path, "keys").count().alias(path) for path in parts).collect().row(0)
    for path, count in zip(parts, there, strict=True):
        if not count:
            return nothing_at("keys", path, records)
    return f"keys: no record has all of {', '.join(parts)}; name those that stand together, or each by itself"
