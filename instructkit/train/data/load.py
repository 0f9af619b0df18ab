"""The training split as tokens on disk, with a table of what went in and what is trained on.

    shards ──tokenize──▶ cache/<key>/ ──map──▶ TrainingData, Preflight

Of several processes one does both; the others, which come after it, find the tokens there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.chat.shards import read_split, split_counts
from instructkit.errors import TrainingError
from instructkit.hashing import key_of
from instructkit.models.batch import Document
from instructkit.train.config.training import Training
from instructkit.train.data.plan import Figures, Indices, Keys, Plan, example_keys, figures, make_plan
from instructkit.train.data.preflight import TRAINED, Preflight, count, fates
from instructkit.train.data.source import SPLIT, Source
from instructkit.train.data.tokens import FORMAT, Tokenize, Tokens, open_tokens, write_tokens
from instructkit.train.watch.progress import Event, Progress


@dataclass(frozen=True)
class TrainingData:
    """The examples that are trained on; their tokens lie on disk and are mapped. n examples."""

    parts: tuple[Tokens, ...]
    """Folders of tokens: that of all examples and, with `overlong: cut-prompt`, that of the shortened ones."""
    part: npt.NDArray[np.uint8]
    """[n] which of them an example's tokens lie in."""
    row: Indices
    """[n] and in which row."""
    lengths: Indices
    """[n] tokens of each example."""
    supervised: Indices
    """[n] tokens that the loss sees."""
    loss_weights: npt.NDArray[np.float64]
    """[n] sum of the weights of those."""
    repeats: npt.NDArray[np.float64]
    """[n] how often an epoch holds each example."""
    keys: Keys
    """[n] what each example is drawn by."""
    example_ids: pl.Series
    """[n]"""

    def document(self, index: int) -> Document:
        """One example."""
        return self.parts[int(self.part[index])].document(int(self.row[index]))

    def typical(self, count: int) -> list[Document]:
        """So many examples of about the median length, to try a model on."""
        order = np.argsort(self.lengths, kind="stable")
        return [self.document(i) for i in order[len(order) // 2 :][:count].tolist()]

    def plan(self, config: Training) -> Plan:
        """The plan of a training on this data. Raises TrainingError when no example comes up in it."""
        plan = make_plan(
            self.lengths,
            self.repeats,
            keys=self.keys,
            capacity=config.sequence_length,
            rows_per_step=max(1, config.tokens_per_step // config.sequence_length),
            epochs=config.epochs,
            max_steps=config.max_steps,
            seed=config.seed,
        )
        if not plan.steps:
            raise TrainingError(
                f"none of {len(self.lengths):,} examples comes up in {config.epochs:g} epochs: their repeats add up to "
                f"{self.repeats.sum():.3g} an epoch; raise epochs, or the rates of the mix"
            )
        return plan

    def figures(self, plan: Plan) -> Figures:
        """A plan of this data in numbers."""
        return figures(plan, self.lengths, self.supervised)


def load(source: Source, config: Training, cache: Path, progress: Progress) -> tuple[TrainingData, Preflight]:
    """Tokenise the training split into the cache, unless it is there; map it, and sort out what is trained on.

    What the cache holds of other data is removed. Raises TrainingError.
    """
    if config.overlong == "cut-prompt" and source.cut is None:
        raise TrainingError(
            "overlong: cut-prompt takes the middle out of a conversation's prompts, for a model that goes on writing; "
            "for this one set overlong: drop, or a longer sequence_length"
        )
    folder, cut_folder = _folders(source, config, cache)
    whole, cut = open_tokens(folder), None
    if whole is None:
        whole = _write(folder, read_split(source.shards, SPLIT), source.tokenize, _rows(source), progress)
    else:
        progress(Event(phase="tokenize", message="tokens are those of an earlier run"))
    if cut_folder is not None:
        cut = open_tokens(cut_folder)
        if cut is None:
            too_long = whole.rows.filter(pl.col("tokens") > config.sequence_length)["id"]
            shortened = _shortened(source, config, too_long)
            cut = _write(cut_folder, shortened, source.tokenize, len(too_long), progress)
    for other in cache.glob("tokens-*"):
        if other not in (folder, cut_folder):
            shutil.rmtree(other, ignore_errors=True)

    rows = fates(whole.rows, None if cut is None else cut.rows, config.sequence_length)
    kept = rows.filter(pl.col("fate") == TRAINED)
    data = TrainingData(
        parts=(whole,) if cut is None else (whole, cut),
        part=kept["cut"].to_numpy().astype(np.uint8),
        row=kept["row"].to_numpy().astype(np.int64),
        lengths=kept["tokens"].to_numpy().astype(np.int64),
        supervised=kept["supervised_tokens"].to_numpy().astype(np.int64),
        loss_weights=kept["weight"].to_numpy().astype(np.float64),
        repeats=kept["repeats"].to_numpy().astype(np.float64),
        keys=example_keys(kept["id"]),
        example_ids=kept["id"],
    )
    return data, count(rows, whole.dropped, config.sequence_length, cuttable=source.cut is not None)


def _folders(source: Source, config: Training, cache: Path) -> tuple[Path, Path | None]:
    whole = cache / f"tokens-{key_of([FORMAT, source.key])}"
    if config.overlong != "cut-prompt" or source.cut is None:
        return whole, None
    return whole, cache / f"tokens-{key_of([FORMAT, source.key, config.sequence_length])}"


def _rows(source: Source) -> int:
    """How many rows there are. Raises TrainingError when there are none, or two with one id."""
    rows = split_counts(source.shards).get(SPLIT, 0)
    if not rows:
        raise TrainingError(f"no examples of split '{SPLIT}'; put a `split` step before the training")
    scanned = pl.scan_parquet(list(source.shards), glob=False).filter(pl.col("split").fill_null(SPLIT) == SPLIT)
    ids = scanned.select("id").collect()["id"]
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        raise TrainingError(f"two examples have the id {twice}; ids must be unique, repetition is the column `repeats`")
    return rows


def _write(folder: Path, frames: Iterable[pl.DataFrame], tokenize: Tokenize, total: int, progress: Progress) -> Tokens:
    def said(done: int) -> None:
        progress(Event(phase="tokenize", done=done, total=total))

    shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    write_tokens(folder, frames, tokenize, said)
    tokens = open_tokens(folder)
    assert tokens is not None, "just written"
    return tokens


def _shortened(source: Source, config: Training, ids: pl.Series) -> Iterator[pl.DataFrame]:
    assert source.cut is not None
    for shard in read_split(source.shards, SPLIT) if len(ids) else ():
        chosen = shard.filter(pl.col("id").is_in(ids.implode()))
        if chosen.height:
            yield source.cut(chosen, config.sequence_length)
