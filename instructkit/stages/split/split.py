"""`split`: divide the data into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import JOINT, key_of
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import InputPath, Outcome, project_path
from instructkit.stages.drops import VERDICT, sort_out
from instructkit.stages.group.joining import documents
from instructkit.stages.group.values import nothing_at, path_faults, value
from instructkit.stages.split.decision import DECISION, Divided, Division, divide
from instructkit.stages.split.held_out import HoldOut
from instructkit.stages.split.previous import STOOD, stood
from instructkit.stages.split.sizes import SPLITS, Size, Sizes, read_sizes


@dataclass(frozen=True, kw_only=True)
class Split:
    """Give each record the split `train`, `validation` or `test`, in whole groups.

    All records of a group get the same split: what stems from one document, and what `dedupe` or `group` stages have
    joined. An example made of several documents joins their groups, and so do records that share a document by any
    other way through the recipe. Few-shot exemplars join nothing. So nothing leaks from training to test.

    With shares alone, a group goes where a seeded hash of its name falls: shares are met on average over groups, and
    new records move none of the old ones unless they join groups. With `previous` nothing moves them at all.

    The rules of the drops: `held_out` (see `hold_out`) and `bridges_splits` (see `previous`).
    """

    version: ClassVar[int] = 2
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash")

    train: Size = 0.8
    """How much goes to `train`: a share from 0 to 1 (0.8), an exact number of rows (8000), or `rest`, what the other
    splits leave. Shares sum to 1. With numbers of rows, one split should be the `rest`. A number is met exactly, or the
    build stops and says which ones next to it whole groups can have; it promises no stability when rows are added. A
    share of which nothing comes (all is held out; one group is all there is) stops the build."""
    validation: Size = 0.1
    """How much goes to `validation`, likewise; 0 makes none."""
    test: Size = 0.1
    """How much goes to `test`, likewise; 0 makes none."""
    stratify: tuple[str, ...] = ()
    """Values of which each split gets its share: `task`, `source`, `language`, `template`, `fields.topic` (documents)
    or `meta.topic` (examples); several are taken together. Each value is shared out to within the rows of one group. A
    group counts as the value that most of its rows have. It promises no stability when rows are added."""
    hold_out: HoldOut = field(default_factory=HoldOut)
    """What only the test split may have: `{task: [nli], template: [qa/*], source: [web], language: [de]}`. A group all
    of whose rows are held out goes to `test`. Other groups are divided as always, and their held-out rows are dropped
    where the group is not in `test`, so shares are those of the rest. A pattern that matches nothing stops the
    build."""
    largest_group: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = 0.05
    """A group of more than this share of all rows goes to the split that is to be the largest, usually `train`,
    whatever its hash: it would fill a small split alone. Groups of less than ten times the mean group are never too
    large. `plan` names them. Null: no limit."""
    previous: InputPath | None = None
    """Where records stood before: the folder of an earlier build (also this recipe's own: `build/NAME`), or a JSON
    Lines or Parquet file with `id`, `split` and, where known, `group`. A record that stood in it keeps its split, and
    what joins its group goes there. New records of a group that links two splits are dropped, all of them (rule
    `bridges_splits`), and the old ones keep split and group: they stay apart even where a step above now joins them.
    `plan` says how many do and names one of each side, and `instructkit verify` whether their texts leak. Build once
    without it."""
    step: str | None = None
    """Of the earlier build: the split step whose rows are meant, where it has several."""
    seed: int = 0
    """Another seed gives another division. Left out, it is the recipe's."""

    def faults(self) -> list[str]:
        """Sizes that do not go together, strata that can lie nowhere, a step without a build."""
        sizes = read_sizes(self._given)
        faults = [sizes + self._by_default()] if isinstance(sizes, str) else []
        faults += path_faults("stratify", self.stratify)
        if self.step is not None and self.previous is None:
            faults.append("step: names a step of an earlier build, and there is none; name its folder by `previous`")
        return faults

    def _by_default(self) -> str:
        defaults = {each.name: each.default for each in fields(self) if each.name in SPLITS}
        if not any(size == defaults[name] for name, size in self._given.items()):
            return ""
        said = ", ".join(f"{name} {size}" for name, size in defaults.items())
        return f". A split that the recipe leaves out has its default ({said}); 0 makes none"

    @property
    def _given(self) -> dict[str, Size]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def sizes(self) -> Sizes:
        """How large each split is to be."""
        sizes = read_sizes(self._given)
        assert isinstance(sizes, Sizes), "checked by faults()"
        return sizes

    @property
    def _asked(self) -> Division:
        return Division(
            sizes=self.sizes,
            seed=self.seed,
            strata=len(self.stratify),
            hold_out=self.hold_out,
            largest_group=self.largest_group,
        )

    @property
    def _by_hash(self) -> bool:
        """Whether rows that no decision names go where the hash of their own group falls."""
        return self.sizes.shares is not None and not self.stratify

    def keyed_inputs(self, root: Path) -> dict[str, Any]:
        """The ids, groups and splits of the earlier build: with the same ones, a build is the same.

        Raises InputError where they cannot be read.
        """
        if self.previous is None:
            return {}
        rows = stood(self.previous, root, self.step)
        return {"previous": key_of([column.to_list() for column in rows.get_columns()])}

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """Rows of each split, exactly; how many groups there are, and those that are too large.

        Raises StageError where the rows cannot be divided so.
        """
        if records is None:
            return ["rows of each split are known once the rows above are built"]
        rows = self._sketched(records).collect()
        if rows.is_empty():
            return []
        found = self._divided(rows, records)
        total = found.rows.height
        kept = found.rows.filter(pl.col("rule").is_null())
        counts = [(name, kept.filter(split=name).height) for name in SPLITS]
        drops = found.rows["rule"].drop_nulls().value_counts().sort("rule").rows()
        sizes = found.rows["unit"].value_counts(name="rows").sort("rows", "unit", descending=[True, False])
        name, largest = sizes.row(0)
        return [
            "rows: " + ", ".join(f"{name} {count:,} ({count / total:.1%})" for name, count in counts)
            + "".join(f"; dropped: {count:,} {rule}" for rule, count in drops),
            f"{sizes.height:,} groups; the largest, '{name}', holds {largest:,} rows ({largest / total:.1%})",
            *(
                f"too large for a split by hash: group '{unit}' of {size:,} rows ({size / total:.1%}) goes to {split}"
                for unit, size, split in found.giants.rows()
            ),
            *_empty([name for name, count in counts if not count and self._given[name]]),
            *_torn(found.torn),
        ]  # fmt: skip

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Id, group, a hash of each document of an example, and the values that are stratified by or held out.

        Raises StageError when rows already carry a split: dividing again would mix them.
        """
        carried = shard["split"].drop_nulls()
        if len(carried):
            raise StageError(
                f"split: {len(carried)} of {shard.height} rows already carry a split ('{carried[0]}', for one); "
                "dividing them again would let test data into training. Remove one of the two split steps."
            )
        return self._sketched(shard.lazy()).collect()

    def _sketched(self, records: pl.LazyFrame) -> pl.LazyFrame:
        return records.select(
            "id",
            "group",
            documents(records),
            *(value(records, path, "stratify").alias(f"stratum_{n}") for n, path in enumerate(self.stratify)),
            *(value(records, column, "hold_out").alias(column) for column in self.hold_out.columns()),
        )

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """Where records go. With shares and no strata, only those that do not go where their own group's hash falls.

        Memory: some 700 bytes a record.
        Raises StageError for counts that whole groups cannot have, a pattern or a path that matches nothing, and an
        earlier build that leaks; InputError where it cannot be read.
        """
        rows = sketches.collect()
        found = self._divided(rows, records).rows.select(DECISION.names())
        if not self._by_hash:
            return found
        own = rows.select("id", own=self._own(rows["group"]))
        named = pl.col("split").ne_missing(pl.col("own")) | pl.col("rule").is_not_null() | pl.col("group").is_not_null()
        return found.join(own, on="id", maintain_order="left").filter(named).select(DECISION.names())

    def _divided(self, rows: pl.DataFrame, records: pl.LazyFrame) -> Divided:
        if rows.height:
            for number, path in enumerate(self.stratify):
                if not rows[f"stratum_{number}"].count():
                    raise StageError(nothing_at("stratify", path, records))
        earlier = pl.DataFrame(schema=STOOD)
        if self.previous is not None:
            root, given = project_path(self.previous)
            assert isinstance(given, str)
            earlier = stood(given, root, self.step)
        return divide(rows, earlier, self._asked)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Rows with their split. Drops with rule `held_out`: the value, the pattern that holds it out, and where its
        group is; with rule `bridges_splits`: the group, and a record of each side.
        """
        verdicts = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
        split = verdicts["split"]
        if self._by_hash and split.null_count():
            split = split.zip_with(split.is_not_null() | verdicts["rule"].is_not_null(), self._own(shard["group"]))
        divided = shard.with_columns(split=split, group=pl.coalesce(verdicts["group"], shard["group"]))
        return sort_out(divided, verdicts.select(VERDICT.names()))

    def _own(self, groups: pl.Series) -> pl.Series:
        """Where the hash of each group falls; of a joint group, that of its first atom."""
        first = groups.str.split(JOINT).list.first().alias("first")
        names = first.unique()
        splits = pl.DataFrame({"first": names, "split": self._asked.by_hash(names)})
        return first.to_frame().join(splits, on="first", how="left", maintain_order="left")["split"]


def _empty(splits: list[str]) -> list[str]:
    if not splits:
        return []
    return [f"{' and '.join(splits)} {'is' if len(splits) == 1 else 'are'} asked for and would be empty"]


def _torn(groups: pl.DataFrame) -> list[str]:
    if groups.is_empty():
        return []
    records, sides = groups["records"].sum(), groups["sides"][0]
    what = "1 group" if groups.height == 1 else f"{groups.height:,} groups"
    return [
        f"previous: {records:,} records of {what} of today stand apart, in the splits where they stood before, such as "
        f"{sides}; `instructkit verify` tells whether their texts leak"
    ]
