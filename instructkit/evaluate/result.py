"""What an evaluation gives. Without torch: reports and the command line read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from instructkit.schema import Message
from instructkit.store.atomic import beside


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Loss on the examples that share a value."""

    by: str
    """Column: template, source, task, language, split, another column or `meta.KEY`; `all` for everything."""
    name: str
    """The value; `-` where the column is null."""
    examples: int
    tokens: int
    """Supervised tokens, over which the loss is averaged."""
    loss: float | None
    """Nats per token, each token weighted by its loss weight. None: no supervised token."""
    low: float | None = None
    """Lower end of the loss's 95 % bootstrap interval over groups. None: too few groups for one."""
    high: float | None = None
    """Its upper end."""
    groups: int = 0
    """Groups that the examples belong to: what the interval is drawn over."""
    perplexity: float | None = None
    """exp(loss)."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of replies to the examples that share a value."""

    by: str
    """As in Slice."""
    name: str
    metric: str
    """See `evaluate.metrics.measures`; and of all replies: stopped, tokens, distinct_1, distinct_2."""
    value: float | None
    """From 0 to 1; bleu and chrf from 0 to 100, tokens as a number. None: nothing that it could be measured on."""
    examples: int
    """Over which it is measured."""
    low: float | None = None
    """Lower end of its 95 % bootstrap interval over groups. None: too few groups, or a metric that has none."""
    high: float | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How a measure differs between two models, on the examples that both were measured on."""

    by: str
    name: str
    metric: str
    """`loss`, or that of a Score."""
    value: float
    """The second model's minus the first's."""
    examples: int
    low: float | None = None
    """Of the 95 % bootstrap interval of the difference: both models on the same resamples."""
    high: float | None = None


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
    tokens: int = 0
    """Written by the model, the stop token included."""
    sample: int = 0
    """Number of the reply, where several were sampled for an example."""
    also_accepted: list[str] = []
    """Other answers that count as right: the example's candidates that have neither score nor rank."""
    metrics: list[str] = []
    """What it is measured by: what its template declares, else the default."""
    scores: dict[str, float] = {}
    """Of this reply alone."""


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
    model: str | None = None
    """A folder, as it was given, or hub name. None: in a training."""
    scores: list[Score] = []
    """Of the generations."""
    unanswered: int = 0
    """Examples whose prompt leaves the model no room for a reply, or that end with no reply to compare with."""
    notes: list[str] = []
    """What was done otherwise than one would expect: metrics by default, metrics that are not measured, batches."""

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

    def score(self, by: str, name: str, metric: str) -> Score | None:
        """The score of a slice by that metric."""
        return next((s for s in self.scores if (s.by, s.name, s.metric) == (by, name, metric)), None)


class BeforeAfter(msgspec.Struct, frozen=True, kw_only=True):
    """`evaluation.json`: of a training, before and after; of `instructkit eval`, the base model and the model."""

    before: Evaluation | None
    after: Evaluation | None = None
    changes: list[Change] = []
    """after - before, for each slice and metric that both have."""
    lm_eval: dict[str, Any] = {}
    """What the lm-evaluation-harness found, where it was asked: results by task."""

    def change(self, by: str, name: str, metric: str = "loss") -> Change | None:
        """The change of a slice by that metric."""
        return next((c for c in self.changes if (c.by, c.name, c.metric) == (by, name, metric)), None)


def read_evaluations(path: Path) -> BeforeAfter:
    """`evaluation.json` of a training. Raises OSError or msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=BeforeAfter)


def write_evaluations(path: Path, value: BeforeAfter) -> None:
    """Write it whole or not at all."""
    with beside(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
