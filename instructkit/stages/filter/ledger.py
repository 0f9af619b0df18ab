"""`filter.ledger`: drop examples by what an earlier training made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.errors import InputError
from instructkit.schema import Example, LedgerClass, LedgerEntry, Noun, columns
from instructkit.stages.contract import InputPath, Outcome
from instructkit.stages.drops import sort_out
from instructkit.text.jsonfields import with_value

NOTED = "ledger"
"""Key of `meta` that says what the ledger has of an example."""
NEEDED = ("id", "content_hash", "template", "class", "before", "after", "value", "threshold")


@dataclass(frozen=True, kw_only=True)
class FilterLedger:
    """Drop examples that an earlier training found suspicious, never learned, forgotten or memorised.

    The ledger is a training's `ledger.parquet` (`ledger: true` in the training; `instructkit ledger` lists it).
    Examples are found by their id. One whose text has changed since is kept, whatever the ledger says of the old text.
    `meta.ledger` of each example that is kept and that the ledger knows says its class, `unjudged` where it has none,
    or `changed`; `filter.expression` can ask for it (`meta.ledger = 'changed'`).

    Examples of the validation and test splits were not trained on, so no ledger knows them: faults of the same kind
    stay there. A training on what this step keeps writes a ledger without the examples that it dropped; keep the one
    that is named here, as `ledgers/first.parquet` say, and do not write over it.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Example,)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("orjson",)

    ledger: InputPath
    """The file: a copy of a training's `ledger.parquet`, or that of another recipe's training,
    `build/first/trainings/tuned/ledger.parquet`. The one of a training of this recipe would make each build differ
    from the one before."""
    drop: Annotated[tuple[LedgerClass, ...], msgspec.Meta(min_length=1)] = ("suspicious",)
    """Classes that go: `suspicious`, `never-learned`, `forgotten`, `memorised`, `learned`. Suspicious is the default
    because it is where wrong answers gather; hard and rare examples are among them, so look at them first."""

    def faults(self) -> list[str]:
        """Dropping every class leaves next to nothing."""
        every = {"learned", "never-learned", "forgotten", "memorised", "suspicious"}
        return ["drop: all classes; nothing that was trained on would be left"] if set(self.drop) >= every else []

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Drops with rule `ledger`: the class, the classes that go, and the losses that it was decided by.

        Raises InputError for a file that is no ledger.
        """
        known = shard.select("id", hash_now="content_hash").join(
            read_ledger(self.ledger), on="id", how="left", maintain_order="left", validate="m:1"
        )
        same = pl.col("content_hash") == pl.col("hash_now")
        goes = same & pl.col("class").is_in(self.drop)
        verdict = known.select(
            rule=pl.when(goes).then(pl.lit("ledger")),
            value=pl.col("class"),
            threshold=pl.lit(", ".join(self.drop)),
            detail=pl.format(
                "loss {} before, {} after training; {} by {}, bound {}",
                *(_shown(name) for name in ("before", "after")),
                pl.col("class"),
                *(_shown(name) for name in ("value", "threshold")),
            ),
        )
        noted = pl.when(same).then(pl.col("class").fill_null("unjudged")).when(same.not_()).then(pl.lit("changed"))
        meta = with_value(shard["meta"], NOTED, known.select(noted.alias("noted"))["noted"].to_list())
        return sort_out(shard.with_columns(meta), verdict)


def read_ledger(path: str) -> pl.DataFrame:
    """`NEEDED` of a ledger's examples. Raises InputError for a file that is none, or that names an id twice."""
    try:
        state = Path(path).stat()
        return _read(path, state.st_mtime_ns, state.st_size)
    except (OSError, pl.exceptions.PolarsError) as error:
        said = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: not the ledger of a training ({said})") from error


@lru_cache(maxsize=2)
def _read(path: str, changed_ns: int, size_bytes: int) -> pl.DataFrame:
    # A worker has many shards to sort out by one file.
    expected = columns(LedgerEntry)
    ledger = pl.read_parquet(Path(path), columns=list(NEEDED), glob=False)
    if wrong := [name for name in NEEDED if ledger.schema[name] != expected[name]]:
        raise InputError(f"{path}: not the ledger of a training: {wrong[0]} is {ledger.schema[wrong[0]]}")
    if ledger["id"].is_duplicated().any():
        raise InputError(f"{path}: names {ledger.filter(pl.col('id').is_duplicated())['id'][0]} twice")
    return ledger


def _shown(name: str) -> pl.Expr:
    return pl.col(name).round(3).cast(pl.String).fill_null("-")
