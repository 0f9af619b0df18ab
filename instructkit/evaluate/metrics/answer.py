"""A reply beside what was expected, and many of them measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from instructkit.evaluate.bootstrap import Floats, Value


class Answer(NamedTuple):
    """A reply beside what was expected."""

    reply: str
    references: Sequence[str]
    """Accepted answers, the expected one first; at least one."""
    language: str | None


class Measured(NamedTuple):
    """Replies measured in one way: n replies, m measures."""

    names: tuple[str, ...]
    """[m]"""
    statistics: Floats
    """[n, k]; a row of zeros: the reply has no part in it."""
    value: Value
    """[..., k] -> [..., m]"""
