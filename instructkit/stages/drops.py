"""From a verdict on each row to what is kept and what is dropped."""

from __future__ import annotations

import polars as pl

from instructkit.schema import Drop, columns
from instructkit.stages.contract import Outcome

VERDICT = pl.Schema({name: pl.String() for name in ("rule", "value", "threshold", "detail")})
"""Of a verdict; `rule` is null for a row that goes on, and the other columns may be left out."""


def sort_out(shard: pl.DataFrame, verdict: pl.DataFrame) -> Outcome:
    """Rows without a rule are kept as they are, each other row becomes a `Drop`; both in the shard's order.

    `verdict` has one row for each row of the shard, with columns of `VERDICT`.
    """
    assert verdict.height == shard.height, "a verdict for each row"
    falls = verdict["rule"].is_not_null()
    rows, reasons = shard.filter(falls), verdict.filter(falls)
    known = {
        "id": rows["id"],
        "origin": rows["origin"],
        **({"template": rows["template"]} if "template" in rows.columns else {}),
        **{name: reasons[name].cast(pl.String) for name in reasons.columns},
    }
    dropped = pl.DataFrame(
        [
            known[name].alias(name) if name in known else pl.Series(name, [None] * rows.height, dtype=dtype)
            for name, dtype in columns(Drop).items()
        ]
    )
    return Outcome(shard.filter(~falls), dropped)
