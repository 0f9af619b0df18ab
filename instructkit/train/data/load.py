"""The training split as arrays of tokens, with a table of what went in and what is trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.rows import Tokenized
from instructkit.chat.shards import read_split
from instructkit.chat.tokenize import tokenize
from instructkit.errors import TrainingError
from instructkit.models.batch import Document
from instructkit.train.config.training import Training
from instructkit.train.data.preflight import LOST, Preflight
from instructkit.train.watch.progress import Event, Progress

OVERLONG_ALLOWED = 0.01
"""Share of overlong examples that training tolerates with `overlong: error`."""


@dataclass(frozen=True)
class TrainingData:
    """Tokenised examples, one behind the other. n examples, t tokens."""

    ids: npt.NDArray[np.int32]
    """[t] token ids."""
    weights: npt.NDArray[np.float32]
    """[t] loss weight of each token as a target."""
    starts: npt.NDArray[np.int64]
    """[n + 1] where each example begins; the last is t."""
    repeats: npt.NDArray[np.float64]
    """[n] how often an epoch holds each example."""
    example_ids: list[str]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """[n] tokens of each example."""
        return np.diff(self.starts)

    def document(self, index: int) -> Document:
        """One example."""
        part = slice(self.starts[index], self.starts[index + 1])
        return Document(self.ids[part], self.weights[part])


def load(
    shards: Sequence[Path], chat: ChatFormat, config: Training, cache: Path, key: str, progress: Progress
) -> tuple[TrainingData, Preflight]:
    """Tokenise the training split, or take it from the cache under that key. Raises TrainingError."""
    frames = list(read_split(shards, "train"))
    columns = ["id", "source", "template", "origin", "repeats"]
    about = pl.concat([f.select(columns) for f in frames]) if frames else pl.DataFrame(schema=dict.fromkeys(columns))
    if not about.height:
        raise TrainingError("no examples of split 'train'; put a `split` step before the training")
    if about["id"].is_duplicated().any():
        twice = about.filter(pl.col("id").is_duplicated())["id"][0]
        raise TrainingError(f"two examples have the id {twice}; ids must be unique, repetition is the column `repeats`")
    tokenized = _cached(frames, chat, cache, key, progress)
    return _sift(about, tokenized, config, progress)


def _cached(frames: list[pl.DataFrame], chat: ChatFormat, cache: Path, key: str, progress: Progress) -> Tokenized:
    paths = [cache / f"{key}.{name}.parquet" for name in ("rows", "dropped")]
    if all(p.exists() for p in paths):
        progress(Event(phase="tokenize", message="tokens are those of an earlier run"))
        return Tokenized(*(pl.read_parquet(p, glob=False) for p in paths))
    parts = []
    for done, frame in enumerate(frames, start=1):
        parts.append(tokenize(frame, chat))
        progress(Event(phase="tokenize", done=done, total=len(frames)))
    result = Tokenized(pl.concat([p.rows for p in parts]), pl.concat([p.dropped for p in parts]))
    cache.mkdir(parents=True, exist_ok=True)
    for path, frame in zip(paths, result, strict=True):
        beside = path.with_suffix(f".{os.getpid()}.writing")
        frame.write_parquet(beside)
        beside.replace(path)
    return result


def _sift(
    about: pl.DataFrame, tokenized: Tokenized, config: Training, progress: Progress
) -> tuple[TrainingData, Preflight]:
    supervised = pl.col("weights").list.slice(1).list.eval(pl.element() > 0).list.sum()
    tokens = tokenized.rows.select("id", "input_ids", "weights", tokens=pl.col("input_ids").list.len().cast(pl.Int64))
    tokens = tokens.with_columns(supervised_tokens=supervised.cast(pl.Int64).fill_null(0))
    rows = about.join(tokens, on="id", how="left", maintain_order="left", validate="1:1")
    fate = (
        pl.when(pl.col("tokens").is_null())
        .then(pl.lit("unlabelled"))
        .when(pl.col("tokens") > config.sequence_length)
        .then(pl.lit("overlong"))
        .when(pl.col("supervised_tokens") == 0)
        .then(pl.lit("zero_label"))
        .otherwise(pl.lit("trained"))
    )
    rows = rows.with_columns(fate=fate)
    kept = rows.filter(pl.col("fate") == "trained")
    counted = [(pl.col("fate") == name).sum().alias(name) for name in LOST]
    trained = pl.col("fate") == "trained"
    table = (
        rows.group_by("source", "template")
        .agg(
            pl.len().alias("rows"),
            trained.sum().alias("trained"),
            pl.col("tokens").filter(trained).sum(),
            pl.col("supervised_tokens").filter(trained).sum(),
            *counted,
        )
        .sort("source", "template")
    )
    preflight = Preflight(table, pl.concat([tokenized.dropped, _drops(rows, config)]))
    if lines := preflight.lines():
        progress(Event(phase="prepare", message="\n  ".join(["examples that are not trained on", *lines])))
    _refuse(preflight, rows, config)
    data = TrainingData(
        ids=kept["input_ids"].explode().to_numpy().astype(np.int32),
        weights=kept["weights"].explode().to_numpy().astype(np.float32),
        starts=np.concatenate([[0], kept["tokens"].cum_sum().to_numpy()]).astype(np.int64),
        repeats=kept["repeats"].to_numpy().astype(np.float64),
        example_ids=kept["id"].to_list(),
    )
    return data, preflight


def _drops(rows: pl.DataFrame, config: Training) -> pl.DataFrame:
    lost = rows.filter(pl.col("fate").is_in(["overlong", "zero_label"]))
    overlong = pl.col("fate") == "overlong"
    return lost.select(
        "id",
        "origin",
        step=pl.lit(None, pl.String),
        template="template",
        rule=pl.lit("train.") + pl.col("fate"),
        value=pl.when(overlong).then(pl.col("tokens").cast(pl.String)),
        threshold=pl.when(overlong).then(pl.lit(str(config.sequence_length))),
        detail=pl.when(overlong).then(pl.lit("tokens")).otherwise(pl.lit("no token is trained on")),
    )


def _refuse(preflight: Preflight, rows: pl.DataFrame, config: Training) -> None:
    total = preflight.total("rows")
    overlong, unlabelled = preflight.total("overlong"), preflight.total("unlabelled")
    if unlabelled > config.max_unlabelled * total:
        first = preflight.dropped.row(0, named=True)
        raise TrainingError(
            f"{unlabelled:,} of {total:,} examples cannot be labelled, more than max_unlabelled "
            f"{config.max_unlabelled:.1%}; the first, {first['id']}: {first['detail']} [{first['rule']}]"
        )
    if config.overlong == "error" and overlong > OVERLONG_ALLOWED * total:
        longest = rows.sort("tokens", descending=True, nulls_last=True).row(0, named=True)
        raise TrainingError(
            f"{overlong:,} of {total:,} examples, more than {OVERLONG_ALLOWED:.0%}, do not fit sequence_length "
            f"{config.sequence_length:,}; the longest, {longest['id']}, has {longest['tokens']:,} tokens; "
            "raise it or set overlong: drop"
        )
    if not preflight.total("trained"):
        raise TrainingError(f"none of {total:,} examples is left to train on; the table above says why")
