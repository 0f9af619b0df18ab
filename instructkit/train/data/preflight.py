"""What becomes of the examples, before anything is trained: counted by source and template, no loss unseen.

rows = trained + overlong + unlabelled + zero_label + zero_repeats, in every line and in all of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from instructkit.errors import TrainingError
from instructkit.schema import Drop, columns
from instructkit.train.config.training import Training
from instructkit.train.data.plan import Figures
from instructkit.train.save.state import write_json

TRAINED = "trained"
LOST = ("overlong", "unlabelled", "zero_label", "zero_repeats")
"""Columns of the table that count what is not trained on, by reason."""
COUNTED = ("rows", TRAINED, "cut", "tokens", "supervised_tokens", *LOST)
"""Columns of the table that are numbers. Tokens are those of trained rows; `cut` ones are trained."""
OVERLONG_ALLOWED = 0.01
"""Share of overlong examples that training tolerates with `overlong: error`."""
LINES = 12
"""Longest table that is shown."""


def fates(rows: pl.DataFrame, cut: pl.DataFrame | None, sequence_length: int) -> pl.DataFrame:
    """The rows of `Tokens` with what becomes of each (`fate`); `cut` has those whose prompt was shortened, if any.

    Columns besides: `row`, where its tokens are; `cut`, whether there is the shortened one; `whole`, its tokens before.
    """
    counts = ["row", "tokens", "supervised_tokens", "weight"]
    result = rows.with_row_index("row").with_columns(cut=pl.lit(False), whole="tokens")
    if cut is not None:
        fitting = cut.with_row_index("row").filter(pl.col("tokens") <= sequence_length)
        chosen = fitting.select("id", *(pl.col(name).alias(f"cut_{name}") for name in counts))
        result = result.join(chosen, on="id", how="left", validate="1:1", maintain_order="left").with_columns(
            *(pl.coalesce(f"cut_{name}", name).alias(name) for name in counts), cut=pl.col("cut_row").is_not_null()
        )
    fate = (
        pl.when(pl.col("tokens").is_null())
        .then(pl.lit("unlabelled"))
        .when(pl.col("tokens") > sequence_length)
        .then(pl.lit("overlong"))
        .when(pl.col("supervised_tokens") == 0)
        .then(pl.lit("zero_label"))
        .when(pl.col("repeats") <= 0)
        .then(pl.lit("zero_repeats"))
        .otherwise(pl.lit(TRAINED))
    )
    return result.with_columns(fate=fate)


@dataclass(frozen=True)
class Preflight:
    """The examples of the training split, counted and sorted out."""

    table: pl.DataFrame
    """Per source and template: the columns of COUNTED."""
    dropped: pl.DataFrame
    """The rows that are not trained on, as the Drop noun."""
    cut: pl.DataFrame
    """Rows that are trained on with a shortened prompt: columns of the Drop noun; value and threshold in tokens."""
    lengths: dict[str, int]
    """Tokens of examples before any are cut: median, p95, p99, longest; and who is the longest's."""
    longest: str | None
    """The id of the longest example; None where none could be labelled."""
    cuttable: bool = True
    """Whether rows of this kind can be trained on with a shortened prompt."""

    def total(self, column: str) -> int:
        """Sum of a column of the table."""
        return int(self.table[column].sum())

    def lines(self, overlong: str = "error") -> list[str]:
        """The table as aligned text, cells that lose most first, and what to do about each loss.

        `overlong`: the training's setting of that name.
        """
        return [*self._table(), *self._losses(overlong)]

    def _table(self) -> list[str]:
        lost = pl.sum_horizontal(LOST)
        order = self.table.with_columns(lost=lost).sort("lost", "tokens", descending=True, maintain_order=True)
        shown = [] if order.height == 1 else order.head(LINES).rows(named=True)
        rest = order.slice(len(shown))
        if order.height > LINES:
            left_out = {name: int(rest[name].sum()) for name in COUNTED}
            shown.append({"source": f"{rest.height:,} more, in preflight.json", "template": "", **left_out})
        whole = {name: self.total(name) for name in COUNTED}
        only = order.row(0, named=True) if order.height == 1 else {"source": "all", "template": ""}
        shown.append({"source": only["source"], "template": only["template"], **whole})

        rare = [name for name in ("cut", *LOST) if whole[name]]
        names = ["source", "template", "rows", *rare, TRAINED, "tokens", "supervised_tokens"]
        cells = [[*(name.replace("_", " ") for name in names), "share"]]
        cells += [[*(_cell(row[name]) for name in names), _share(row)] for row in shown]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        return [
            "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in cells
        ]

    def _losses(self, setting: str) -> list[str]:
        """One line a reason: how many, why, and the way out."""
        said = []
        if overlong := self.total("overlong"):
            way_out = "raise it"
            if setting == "cut-prompt":
                way_out += "; their answers alone are too long"
            elif self.cuttable:
                way_out += ", or set overlong: cut-prompt"
            most, all_but_few = self.lengths["longest"], self.lengths["p99"]
            said.append(
                f"{overlong:,} longer than sequence_length; the longest, {self.longest}, has {most:,} tokens, "
                f"99 % of all have at most {all_but_few:,}: {way_out}"
            )
        if unlabelled := self.total("unlabelled"):
            rules = self.dropped.filter(pl.col("rule").str.starts_with("label."))["rule"].value_counts(sort=True)
            why = ", ".join(f"{rule.removeprefix('label.')} {n:,}" for rule, n in rules.rows())
            said.append(f"{unlabelled:,} cannot be shown to the model faithfully, or not be labelled: {why}")
        if zero := self.total("zero_label"):
            said.append(f"{zero:,} have no token to train on: no reply, or none with weight")
        if none := self.total("zero_repeats"):
            said.append(f"{none:,} have repeats 0: the mix leaves them out")
        lost = self.total("rows") - self.total(TRAINED)
        if lost:
            rows = self.total("rows")
            said.insert(0, f"{lost:,} of {rows:,} ({lost / rows:.1%}) are not trained on; dropped.parquet names them:")
        if cut := self.total("cut"):
            said.append(f"{cut:,} are trained on with a shortened prompt and whole answers; cut.parquet names them")
        return said or ["nothing is lost: every row is trained on whole"]

    def refuse(self, config: Training) -> None:
        """Raise TrainingError where more is lost than the training allows."""
        total = self.total("rows")
        overlong, unlabelled = self.total("overlong"), self.total("unlabelled")
        if unlabelled > config.max_unlabelled * total:
            first = self.dropped.filter(pl.col("rule").str.starts_with("label.")).row(0, named=True)
            raise TrainingError(
                f"{unlabelled:,} of {total:,} examples cannot be labelled, more than max_unlabelled "
                f"{config.max_unlabelled:.1%}; the first, {first['id']}: {first['detail']} [{first['rule']}]"
            )
        if config.overlong == "error" and overlong > OVERLONG_ALLOWED * total:
            cut = "overlong: cut-prompt, or " if self.cuttable else ""
            raise TrainingError(
                f"{overlong:,} of {total:,} examples, more than {OVERLONG_ALLOWED:.0%}, do not fit sequence_length "
                f"{config.sequence_length:,}; the longest, {self.longest}, has {self.lengths['longest']:,} tokens; "
                f"raise it, or set {cut}overlong: drop"
            )
        if not self.total(TRAINED):
            raise TrainingError(f"none of {total:,} examples is left to train on; the table above says why")

    def save(self, out: Path, training: str, plan: Figures | None = None) -> None:
        """Write `preflight.json`, `dropped.parquet` and, where some are, `cut.parquet`; `plan`: once it is known."""
        step = pl.lit(f"training '{training}'")
        self.dropped.with_columns(step=step).write_parquet(out / "dropped.parquet")
        if self.cut.height:
            self.cut.with_columns(step=step).write_parquet(out / "cut.parquet")
        else:
            (out / "cut.parquet").unlink(missing_ok=True)
        write_json(out / "preflight.json", self.as_json(plan))

    def as_json(self, plan: Figures | None = None) -> dict[str, Any]:
        """Everything that was counted, with the rules of what was dropped."""
        rules = self.dropped.group_by("rule").len("rows").sort("rows", "rule", descending=[True, False])
        found: dict[str, Any] = {
            "table": self.table.to_dicts(),
            "total": {name: self.total(name) for name in COUNTED},
            "rules": dict(rules.rows()),
            "lengths": self.lengths,
        }
        if plan is not None:
            found["plan"] = asdict(plan)
        return found


def count(rows: pl.DataFrame, unlabelled: pl.DataFrame, sequence_length: int, *, cuttable: bool = True) -> Preflight:
    """Count the rows of `fates`; `unlabelled`: those among them that could not be labelled, as the Drop noun."""
    trained = pl.col("fate") == TRAINED
    table = (
        rows.group_by("source", "template")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            trained.sum().cast(pl.Int64).alias(TRAINED),
            (pl.col("cut") & trained).sum().cast(pl.Int64),
            pl.col("tokens", "supervised_tokens").filter(trained).sum(),
            *((pl.col("fate") == name).sum().cast(pl.Int64).alias(name) for name in LOST),
        )
        .sort("source", "template")
    )
    whole = rows["whole"].drop_nulls()
    marks = {"median": 0.5, "p95": 0.95, "p99": 0.99, "longest": 1.0}
    at = {name: int(whole.quantile(q, "higher") or 0) for name, q in marks.items()}
    longest = rows["id"][whole_max] if (whole_max := rows["whole"].arg_max()) is not None else None
    lost = rows.filter(pl.col("fate").is_in(["overlong", "zero_label", "zero_repeats"]))
    cut = rows.filter(pl.col("cut") & trained)
    return Preflight(
        table=table,
        dropped=pl.concat([unlabelled, _named(lost, pl.lit("train.") + pl.col("fate"), sequence_length)]),
        cut=_named(cut, pl.lit("train.cut_prompt"), sequence_length),
        lengths=at,
        longest=longest,
        cuttable=cuttable,
    )


_DETAILS = {
    "overlong": "tokens",
    "zero_label": "no token is trained on",
    "zero_repeats": "repeats is 0",
}


def _named(rows: pl.DataFrame, rule: pl.Expr, sequence_length: int) -> pl.DataFrame:
    """Rows as the Drop noun."""
    tokens = pl.col("cut") | (pl.col("fate") == "overlong")
    taken = pl.format("tokens, {} of the prompt taken out", pl.col("whole") - pl.col("tokens"))
    detail = pl.when("cut").then(taken).otherwise(pl.col("fate").replace_strict(_DETAILS, default=None))
    return rows.select(
        "id",
        "origin",
        step=pl.lit(None, pl.String),
        template="template",
        rule=rule,
        value=pl.when(tokens).then(pl.col("whole").cast(pl.String)),
        threshold=pl.when(tokens).then(pl.lit(str(sequence_length))),
        detail=detail,
    ).cast(columns(Drop))


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _share(row: dict[str, Any]) -> str:
    return f"{row['supervised_tokens'] / row['tokens']:.1%}" if row["tokens"] else "-"
