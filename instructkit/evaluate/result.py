"""What an evaluation gives. Without torch: reports and the command line read it."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from instructkit.schema import Message


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Loss on the examples that share a value."""

    by: str
    """Column: template, source, task, language or split; `all` for everything."""
    name: str
    """The value; `-` where the column is null."""
    examples: int
    tokens: int
    """Supervised tokens, over which the loss is averaged."""
    loss: float | None
    """Nats per token, each token weighted by its loss weight. None: no supervised token."""

    @property
    def perplexity(self) -> float | None:
        """exp(loss)."""
        return None if self.loss is None else math.exp(min(self.loss, 700.0))


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What the model answered to the prompt of an example."""

    example_id: str
    template: str | None
    prompt: list[Message]
    """The conversation up to the last reply."""
    expected: str
    reply: str
    stopped: bool
    """Whether the model ended the reply itself; else it ran into the limit."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A model measured on examples."""

    split: str
    overall: Slice
    slices: list[Slice]
    generations: list[Generation] = []
    unlabelled: int = 0
    """Chosen examples that the chat template could not show faithfully; not measured."""
    overlong: int = 0
    """Chosen examples longer than the model takes; not measured."""

    def find(self, by: str, name: str) -> Slice | None:
        """The slice of that name."""
        return next((s for s in self.slices if (s.by, s.name) == (by, name)), None)

    def losses(self) -> dict[str, dict[str, float]]:
        """Column → value → loss, of the slices that have one."""
        found: dict[str, dict[str, float]] = {}
        for part in self.slices:
            if part.loss is not None:
                found.setdefault(part.by, {})[part.name] = part.loss
        return found


class BeforeAfter(msgspec.Struct, frozen=True, kw_only=True):
    """`evaluation.json` of a training."""

    before: Evaluation | None
    after: Evaluation | None = None


def read_evaluations(path: Path) -> BeforeAfter:
    """`evaluation.json` of a training. Raises OSError or msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=BeforeAfter)


def write_evaluations(path: Path, value: BeforeAfter) -> None:
    """Write it whole or not at all."""
    beside = path.with_suffix(".writing")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    beside.replace(path)
