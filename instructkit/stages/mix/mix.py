"""`mix`: how much of each source, task or template goes into the data, and how often each row comes up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import polars as pl

from instructkit.errors import did_you_mean
from instructkit.hashing import uniform
from instructkit.schema import Example, Noun
from instructkit.stages.contract import InputPath, Outcome
from instructkit.stages.dedupe.decision import check_ids
from instructkit.stages.drops import sort_out
from instructkit.stages.mix.decision import COLUMNS, MIXED, Column, Plan, Unit, mixed
from instructkit.stages.mix.outlook import beforehand, table
from instructkit.stages.mix.tokens import token_counts, tokenizer_files

Count = Annotated[int, msgspec.Meta(ge=0)]
NONE = "-"
"""Stands for rows without a value, in recipes and in what is said."""
SEEN = ("train", None)
"""Splits whose rows are mixed."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Take so much of each source, task or template, by weights, caps and a budget; repeat rows where that takes it.

    First `caps` leave out what there is too much of; then each value of `by` is given its part of the budget, by
    `weights` or by its size; then each of its rows comes up as often as the others, or once more, which is drawn by a
    seeded hash. What comes up never is dropped: by the rule `mix_cap`, with the cap that was full, or `mix_weight`,
    with the number of rows that were drawn. How often a row comes up is a number in `repeats`, which a training
    multiplies its epochs by; rows are never copied. Repeats that rows bring along are multiplied by it; a budget counts
    what this step gives. `plan` shows the exact counts as soon as the rows above are built.

    Only rows of the split `train` and rows without a split are mixed: validation and test rows pass as they are, so
    that a mix neither thins nor repeats what a model is measured on. Put it behind `split`: a budget that is divided
    afterwards is not met exactly in any of the parts.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None

    by: Column = "source"
    """What is weighed against one another: `source`, `task`, `template` or `language`. Rows that have none are together
    one more value, called `-`."""
    weights: dict[str, Annotated[float, msgspec.Meta(ge=0)]] | None = None
    """Value → its weight: `{squad: 3, alpaca: 1}` takes three rows of squad (or tokens, with `tokens`) for each of
    alpaca. Every value that occurs must be named, so that none goes missing by oversight; 0 leaves one out. Left out,
    each value weighs its size, by `temperature`."""
    caps: dict[str, Count | dict[str, Count]] = field(default_factory=dict)
    """Most rows of one value, before anything is weighed: `{task: 10000, source: {squad: 30000}}` is at most 10,000
    rows of each task, and at most 30,000 of the source squad, as FLAN caps its data sets. Rows are taken in drawn
    order while each cap has room, so a row is left out only where one of its own is full."""
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Without `weights`: a value weighs its size ** (1 / temperature), as in T5. 1 is in proportion to size; 2 and more
    give small ones a larger part; a very high one makes all equal."""
    rows: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many rows come up in one epoch of a training, repeats counted: met exactly. Left out, with no `tokens`
    either: as many as keep the weights without any row coming up more than `epochs` times."""
    tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The same in tokens, prompts and chat template included. Each value gets at most its part and falls short of it by
    less than one row. Rows that a training would leave out as unlabelled have no tokens. `plan` counts tokens too,
    which takes as long as a training takes to tokenise."""
    tokenizer: InputPath | None = None
    """With `tokens`: the folder of the model or tokenizer that counts, relative to the project."""
    epochs: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """How often the rows of one value may come up, on average. The default repeats nothing: a budget that would is an
    error which says what is missing. Up to about 4, repeated text is nearly as good as new (Muennighoff et al., Scaling
    Data-Constrained Language Models, arXiv:2305.16264)."""
    seed: int = 0
    """Another seed draws other rows. Left out, it is the recipe's."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What counts tokens, where any are counted."""
        return ("transformers", "tokenizers", "jinja2") if self.tokens is not None else ()

    def faults(self) -> list[str]:
        """Caps of no column, two budgets, a tokenizer without a use or a use without one, weights that are all 0."""
        found = [
            f"caps: no column '{name}'{did_you_mean(name, COLUMNS)} (columns: {', '.join(COLUMNS)})"
            for name in self.caps
            if name not in COLUMNS
        ]
        if self.rows is not None and self.tokens is not None:
            found.append("rows and tokens are two budgets; give one of them")
        if self.tokens is not None and self.tokenizer is None:
            found.append("tokens: needs `tokenizer`, the folder of the model that counts them")
        if self.tokenizer is not None and self.tokens is None:
            found.append("tokenizer is only looked at with `tokens`")
        if self.weights is not None and not any(self.weights.values()):
            found.append("weights: none is above 0, so nothing would be left")
        if self.weights is not None and self.temperature != 1:
            found.append("temperature is for a mix without `weights`; take one of them away")
        return found

    def keyed_inputs(self, root: Path) -> dict[str, Any]:
        """The tokenizer's own files, without the weights that lie beside them. Raises InputError."""
        if self.tokenizer is None:
            return {}
        return {"tokenizer": tokenizer_files(root / Path(self.tokenizer).expanduser())}

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """Exactly what the build will make of these rows; of rows that are not there yet, what the recipe fixes.

        Raises StageError where `decide` would.
        """
        if records is None:
            return beforehand(self._plan)
        # Texts are read only where their tokens count, and a batch at a time.
        read = records if self.tokens is not None else records.select("id", "split", *COLUMNS)
        batches = [self.sketch(batch) for batch in read.collect_batches(maintain_order=False)]
        sketches = pl.concat(batches) if batches else self.sketch(read.head(0).collect())
        found = mixed(sketches, self._plan)
        others = records.select(pl.len()).collect().item() - sketches.height
        return table(sketches.join(found, on="id"), self.by, others)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """Id, the values that may count, what the row is drawn by, and its tokens where those count."""
        rows = shard.filter(pl.col("split").is_in(SEEN, nulls_equal=True))
        draws = [uniform(self.seed, "mix", each) for each in rows["id"]]
        tokens = [] if self.tokens is None else [token_counts(rows, str(self.tokenizer)).alias("tokens")]
        values = [pl.col(name).fill_null(NONE) for name in COLUMNS]
        return rows.select("id", *values, draw=pl.Series(draws, dtype=pl.Float64)).with_columns(tokens)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The rows that come up another number of times than once, with the columns of MIXED.

        Raises StageError where the recipe names a value that no row has, leaves one out that occurs, or asks for more
        than the rows can give; and when an id stands twice. Memory: some 200 bytes a row.
        """
        check_ids(sketches.with_columns(key=pl.col("id").hash()))
        return mixed(sketches.collect(), self._plan).filter(pl.col("repeats") != 1)

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """The rows that come up, with `repeats` multiplied by how often; a drop for each of the others."""
        decided = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
        times = decided["repeats"].fill_null(1)
        return sort_out(shard.with_columns(repeats=pl.col("repeats") * times), decided.select(list(MIXED)[2:]))

    @property
    def _plan(self) -> Plan:
        unit: Unit = "rows" if self.tokens is None else "tokens"
        budget = self.rows if self.tokens is None else self.tokens
        return Plan(self.by, self.weights, self.caps, self.temperature, budget, unit, self.epochs)
