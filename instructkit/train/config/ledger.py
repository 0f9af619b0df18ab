"""What the ledger of a training measures."""

from __future__ import annotations

from dataclasses import dataclass

from instructkit.train.config.bounds import Count


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The loss of each example before, during and after the training, in `ledger.parquet`."""

    examples: Count | None = None
    """Largest number of training examples that are measured before and after, evenly over templates and chosen by
    seeded hash; each costs two forward passes, about two thirds of training on it once. The others have their losses
    during the training and no class. None: all."""
