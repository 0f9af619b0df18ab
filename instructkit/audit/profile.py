"""What the rows are like: lengths, turns, wordings, languages."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.audit.languages import Languages
from instructkit.audit.wordings import Wordings

LENGTHS = ("prompt_characters", "response_characters", "tokens", "supervised_tokens")


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """Of a text of each conversation."""

    median: int
    p95: int
    longest: int
    sum: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What the conversations are like."""

    prompt_characters: Lengths
    """All that is said by others than the assistant."""
    response_characters: Lengths
    """All that the assistant says."""
    tokens: Lengths | None = None
    """Of the whole conversation, as the model named reads it."""
    supervised_tokens: Lengths | None = None
    """Those that are trained on."""
    turns: dict[str, int]
    """Conversations by how often the assistant speaks."""
    system: int
    """Conversations with a system message."""
    wordings: Wordings
    languages: Languages


def lengths(values: npt.NDArray[Any]) -> Lengths:
    """Zeros where there are none."""
    if not len(values):
        return Lengths(median=0, p95=0, longest=0, sum=0)
    median, p95, longest = (int(n) for n in np.quantile(values, [0.5, 0.95, 1.0], method="higher"))
    return Lengths(median=median, p95=p95, longest=longest, sum=int(values.sum(dtype=np.int64)))


def profile(known: pl.DataFrame, wordings: Wordings, languages: Languages) -> Profile:
    """Of all that is known of the conversations."""
    turns = known["turns"].value_counts().sort("turns")
    return Profile(
        **{name: lengths(known[name].drop_nulls().to_numpy()) for name in LENGTHS if name in known.columns},
        turns={str(number): count for number, count in turns.rows()},
        system=int(known["system"].sum()),
        wordings=wordings,
        languages=languages,
    )
