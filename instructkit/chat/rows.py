"""Flat arrays of tokens, one conversation behind the other, as rows of the TokenizedExample noun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.chat.labels import IGNORED
from instructkit.chat.search import Unlabelled
from instructkit.schema import Drop, Example, TokenizedExample, columns, frame


class Tokenized(NamedTuple):
    """What tokenising gave: `rows` of the TokenizedExample noun and `dropped` of the Drop noun."""

    rows: pl.DataFrame
    dropped: pl.DataFrame


@dataclass(frozen=True)
class Tokens:
    """Labelled tokens of several rows. n rows, t tokens."""

    ids: Sequence[str]
    """[n]"""
    input_ids: npt.NDArray[np.int32]
    """[t]"""
    weights: npt.NDArray[np.float32]
    """[t]"""
    lengths: npt.NDArray[np.int64]
    """[n] tokens of each row."""
    read_tokens: Sequence[int] | None = None
    """[n]; None: 0 everywhere."""
    pieces: Sequence[int] | None = None
    """[n]; None: 0 everywhere."""


def drop_of(example: Example, fault: Unlabelled) -> Drop:
    """An example that cannot be labelled, as a drop with the rule `label.<reason>`."""
    return Drop(
        id=example.id,
        origin=example.origin,
        template=example.template,
        rule=f"label.{fault.rule}",
        detail=fault.detail,
    )


def in_order(first: Tokens, second: Tokens, rows: npt.NDArray[np.int64]) -> Tokens:
    """Two parts as one, sorted by the number that `rows` gives each of their rows."""
    if not len(second.ids) and (np.diff(rows) > 0).all():
        return first
    order = np.argsort(rows, kind="stable")
    lengths = np.concatenate([first.lengths, second.lengths])
    starts = (np.cumsum(lengths) - lengths)[order]
    lengths = lengths[order]
    places = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    ids = [*first.ids, *second.ids]
    return Tokens(
        [ids[i] for i in order.tolist()],
        np.concatenate([first.input_ids, second.input_ids])[places],
        np.concatenate([first.weights, second.weights])[places],
        lengths,
    )


def tokenized(parts: Sequence[Tokens], drops: Sequence[Drop]) -> Tokenized:
    """Parts one behind the other as a frame, and the drops as another."""
    rows = [_frame(part) for part in parts]
    empty = pl.DataFrame(schema=columns(TokenizedExample))
    return Tokenized(pl.concat(rows) if rows else empty, frame(Drop, drops))


def _frame(part: Tokens) -> pl.DataFrame:
    n = len(part.ids)
    labels = np.where(part.weights > 0, part.input_ids, np.int32(IGNORED))
    values = {
        "id": list(part.ids),
        "piece": part.pieces if part.pieces is not None else np.zeros(n, dtype=np.int32),
        "input_ids": _lists(part.input_ids, part.lengths),
        "labels": _lists(labels, part.lengths),
        "weights": _lists(part.weights, part.lengths),
        "read_tokens": part.read_tokens if part.read_tokens is not None else np.zeros(n, dtype=np.int32),
    }
    return pl.DataFrame(values, schema=columns(TokenizedExample))


def _lists(flat: npt.NDArray[np.generic], lengths: npt.NDArray[np.int64]) -> pl.Series:
    """A list column over a flat array, without a Python object for each token."""
    import pyarrow as pa

    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(starts), pa.array(flat))))
