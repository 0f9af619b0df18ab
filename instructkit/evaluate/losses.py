"""Token losses of a model on examples, summed per example: slices take the mean over tokens, never a mean of means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.chat.tokenize import tokenize
from instructkit.models.batch import Document, groups
from instructkit.models.load import Precision, autocast, compute_dtype
from instructkit.models.runner import Runner

Sums = npt.NDArray[np.float64]

BATCH_TOKENS = 8192
"""Cells of a forward pass."""
ABOUT = ("id", "content_hash", "template", "template_hash", "variant", "source", "task", "language", "group", "split",
         "meta")  # fmt: skip


class Measured(NamedTuple):
    """Losses of examples, and how many have none.

    `rows`: the columns of ABOUT, file (of the origin), tokens (int), weight (sum), loss (weighted sum).
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
    summed = document_losses(runner, documents_of(fitting), precision)
    names = ("loss", "weight", "tokens")
    losses = fitting.select("id").with_columns(pl.Series(name, each) for name, each in zip(names, summed, strict=True))
    # A text that was cut into pieces is one example.
    losses = losses.group_by("id", maintain_order=True).agg(pl.col(names).sum())
    about = examples.select(*ABOUT, file=pl.col("origin").struct.field("file"))
    rows = about.join(losses, on="id", how="inner", maintain_order="left")
    return Measured(rows, tokenized.dropped.height, tokenized.rows.height - fitting.height)


def document_losses(
    runner: Runner, documents: Sequence[Document], precision: Precision = "auto"
) -> tuple[Sums, Sums, npt.NDArray[np.int64]]:
    """Weighted sum of token losses, sum of weights, and supervised tokens of each document, in evaluation mode."""
    sums, weights = np.zeros(len(documents)), np.zeros(len(documents))
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


def documents_of(rows: pl.DataFrame) -> list[Document]:
    """Rows of the TokenizedExample noun as a model takes them."""
    if not rows.height:
        return []
    cuts = np.cumsum(rows["input_ids"].list.len().to_numpy())[:-1]
    ids, weights = (
        np.split(rows[name].explode(empty_as_null=False).to_numpy().astype(dtype), cuts)
        for name, dtype in (("input_ids", np.int32), ("weights", np.float32))
    )
    return [Document(*each) for each in zip(ids, weights, rows["read_tokens"].to_list(), strict=True)]
