"""What becomes of the examples, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

LOST = ("overlong", "unlabelled", "zero_label")
"""Columns of the table that count what is not trained on, by reason."""
LINES = 20
"""Longest table that is shown."""


@dataclass(frozen=True)
class Preflight:
    """The examples of the training split, counted and sorted out."""

    table: pl.DataFrame
    """Per source and template: rows, trained, tokens, supervised_tokens, overlong, unlabelled, zero_label.
    rows = trained + overlong + unlabelled + zero_label."""
    dropped: pl.DataFrame
    """The rows that are not trained on, as the Drop noun."""

    def total(self, column: str) -> int:
        """Sum of a column of the table."""
        return int(self.table[column].sum())

    def lines(self) -> list[str]:
        """The part of the table where examples are lost, as aligned text, the worst first; [] where none is."""
        lost = self.table.with_columns(lost=pl.sum_horizontal(LOST)).filter(pl.col("lost") > 0)
        if lost.is_empty():
            return []
        reasons = [name for name in LOST if self.total(name)]
        shown = lost.sort("lost", descending=True, maintain_order=True).head(LINES)
        names = ["source", "template", "rows", *reasons, "trained", "supervised_tokens"]
        heads = [name.replace("_", " ") for name in names]
        cells = [heads, *([_cell(value) for value in row] for row in shown.select(names).rows())]
        widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
        lines = [
            "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in cells
        ]
        more = lost.height - shown.height
        return [*lines, f"and {more:,} more in preflight.json"] if more else lines


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
