"""When a training ends before its last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from instructkit.train.config.bounds import Count

SLICES = ("template", "source", "task", "language")
"""What the validation loss is known by, beside the whole."""


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop when the validation loss has not fallen for some evaluations. Needs `evaluate_every`."""

    slice: str = "all"
    """Which validation examples count: all, or one slice of them, `template=NAME`, `source=NAME`, `task=NAME` or
    `language=NAME`."""

    patience: Count = 3
    """So many evaluations without a new lowest loss end the training."""

    min_change: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """By how much a loss, in nats per token, must lie below the lowest so far to count as a new one."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        by, equals, name = self.slice.partition("=")
        if self.slice != "all" and not (by in SLICES and equals and name):
            known = ", ".join(f"{each}=NAME" for each in SLICES)
            return [f"slice: must be all or one of {known}; got '{self.slice}'"]
        return []
