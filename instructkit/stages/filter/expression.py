"""`filter.expression`: keep records for which a SQL expression is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import sort_out
from instructkit.stages.filter.sql import Condition, read_condition

SHOWN = 100
"""Characters of a value that a drop shows."""


@dataclass(frozen=True, kw_only=True)
class FilterExpression:
    """Keep records for which a SQL expression over the columns is true.

    Values inside `fields` (documents) and `meta` (examples) are addressed as `fields.stars`, `fields.author.name`,
    `fields."my key"`. Each is read as text, number or boolean by how it is used: `fields.stars >= 4` compares numbers,
    and a value that is no number is null there. Two fields that are put in order with each other are numbers. On
    examples, `prompt` and `response` are texts too. Functions are those of polars SQL: `LENGTH(text)`, `LIKE`, `IN`,
    `BETWEEN`, `IS NULL`, `REGEXP_LIKE(text, '...')`, `TRY_CAST(fields.year AS INT)` and others that look at one row.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ()

    where: Annotated[str, msgspec.Meta(min_length=1)]
    """What must be true, such as `fields.stars >= 4 AND LENGTH(text) < 2000`. Where it is neither true nor false,
    because a value is missing, the record is dropped with a rule of its own; `IS NULL` and `COALESCE` say otherwise."""

    def faults(self) -> list[str]:
        """What is wrong with the expression, unless it fits documents or examples."""
        answers = [read_condition(self.where, noun) for noun in (Document, Example)]
        wrong = [answer for answer in answers if isinstance(answer, str)]
        return [f"where: {answer}" for answer in dict.fromkeys(wrong)] if len(wrong) == len(answers) else []

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Drops with rule `expression`, or `expression_null`; the value shows what the expression looked at.

        Raises StageError when the expression does not fit these rows, or fails on a value.
        """
        noun = Example if "messages" in shard.columns else Document
        condition = read_condition(self.where, noun)
        if isinstance(condition, str):
            raise StageError(f"filter.expression: where: {condition}")
        inputs = shard.select(**condition.inputs)
        try:
            held = inputs.select(condition.expression.alias("held"))["held"]
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().partition("\n")[0]
            raise StageError(f"filter.expression: '{self.where}': {reason}; TRY_CAST gives null instead") from error
        rule = pl.when(held.is_null()).then(pl.lit("expression_null")).when(~held).then(pl.lit("expression"))
        verdict = inputs.select(rule=rule, value=_shown(inputs, condition), threshold=pl.lit(self.where))
        return sort_out(shard, verdict)


def _shown(inputs: pl.DataFrame, condition: Condition) -> pl.Expr:
    """`fields.stars=3, language=en` for each row; nested columns are left out."""
    parts = []
    for name in condition.inputs:
        if not inputs.schema[name].is_nested():
            text = pl.col(name).cast(pl.String)
            short = pl.when(text.str.len_chars() > SHOWN).then(text.str.slice(0, SHOWN) + "…").otherwise(text)
            parts.append(pl.lit(f"{name}=") + short.fill_null("null"))
    return pl.concat_str(parts, separator=", ") if parts else pl.lit(None, dtype=pl.String)
