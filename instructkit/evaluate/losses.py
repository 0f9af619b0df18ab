"""Token losses of a model on examples, summed per slice: the mean over tokens, never a mean of means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.tokenize import tokenize
from instructkit.evaluate.result import Slice
from instructkit.models.batch import Document, groups
from instructkit.models.load import Precision, autocast, compute_dtype
from instructkit.models.runner import Runner

Sums = npt.NDArray[np.float64]

BATCH_TOKENS = 8192
"""Cells of a forward pass."""


class Measured(NamedTuple):
    """Losses of examples, and how many have none.

    `rows`: id, template, source, task, language, split, tokens (int), weight (sum), loss (weighted sum).
    """

    rows: pl.DataFrame
    unlabelled: int
    overlong: int


def measure(
    runner: Runner, chat: ChatFormat, examples: pl.DataFrame, max_tokens: int | None, precision: Precision = "auto"
) -> Measured:
    """The loss of each example, in a frame of the Example noun. `max_tokens`: what the model takes; None: anything."""
    tokenized = tokenize(examples, chat)
    fitting = tokenized.rows
    if max_tokens is not None:
        fitting = fitting.filter(pl.col("input_ids").list.len() <= max_tokens)
    documents = [
        Document(np.asarray(ids, dtype=np.int32), np.asarray(weights, dtype=np.float32))
        for ids, weights in fitting.select("input_ids", "weights").iter_rows()
    ]
    sums, weights, tokens = document_losses(runner, documents, precision)
    losses = fitting.select("id").with_columns(
        tokens=pl.Series(tokens), weight=pl.Series(weights), loss=pl.Series(sums)
    )
    about = examples.select("id", "template", "source", "task", "language", "split")
    rows = about.join(losses, on="id", how="inner", maintain_order="left")
    return Measured(rows, tokenized.dropped.height, tokenized.rows.height - fitting.height)


def document_losses(
    runner: Runner, documents: Sequence[Document], precision: Precision = "auto"
) -> tuple[Sums, Sums, npt.NDArray[np.int64]]:
    """Weighted sum of token losses, sum of weights, and supervised tokens of each document, in evaluation mode."""
    sums = np.zeros(len(documents))
    weights = np.zeros(len(documents))
    tokens = np.zeros(len(documents), dtype=np.int64)
    device = runner.model.device
    training = runner.model.training
    runner.model.eval()
    with torch.inference_mode(), autocast(device, compute_dtype(precision, device)):
        for group in groups([len(document.ids) for document in documents], BATCH_TOKENS, runner.layout):
            batch = runner.collate([documents[i] for i in group]).to(device)
            _, nll = runner.losses(batch)
            owner = np.asarray(group)[batch.document.cpu().numpy()]
            weight = batch.weights.cpu().double().numpy()
            np.add.at(sums, owner, nll.cpu().double().numpy() * weight)
            np.add.at(weights, owner, weight)
            np.add.at(tokens, owner, 1)
    runner.model.train(training)
    return sums, weights, tokens


def slices(rows: pl.DataFrame, by: Sequence[str]) -> list[Slice]:
    """Slices of the rows of `measure` by each column, sorted by name."""
    result = []
    for column in by:
        name = pl.col(column).fill_null("-").alias("name")
        parts = rows.group_by(name).agg(*_SUMS).sort("name")
        result += [_slice(column, row["name"], row) for row in parts.iter_rows(named=True)]
    return result


def overall(rows: pl.DataFrame) -> Slice:
    """The slice of everything."""
    return _slice("all", "all", rows.select(*_SUMS).row(0, named=True))


_SUMS = (pl.len().alias("examples"), pl.col("tokens").sum(), pl.col("weight").sum(), pl.col("loss").sum())


def _slice(by: str, name: str, sums: dict[str, float]) -> Slice:
    loss = sums["loss"] / sums["weight"] if sums["weight"] else None
    return Slice(by=by, name=name, examples=int(sums["examples"]), tokens=int(sums["tokens"]), loss=loss)
