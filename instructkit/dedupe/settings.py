"""What counts as a near-duplicate, and who stays."""

from __future__ import annotations

from dataclasses import dataclass

from instructkit.dedupe.survivors import Keep
from instructkit.errors import UsageFault
from instructkit.minhash.banding import Banding, banding
from instructkit.minhash.sketcher import Sketcher, Unit

NUM_PERM = 144
"""Permutations: as few as give recall 0.99 at 0.8 with 7 rows a band, and at 0.7 with 5."""
SHINGLE = {"words": 5, "characters": 7}
"""Units in a shingle, where nobody says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What counts as a near-duplicate, and who stays."""

    text: str = "text"
    """The column that is compared."""
    threshold: float = 0.8
    """Least similarity, in (0, 1]."""
    unit: Unit = "words"
    shingle: int | None = None
    """Units in a shingle; None: 5 words or 7 characters."""
    keep: Keep = "first"
    recall: float = 0.99
    """Least probability that a pair exactly at the threshold is compared, in (0, 1)."""

    def banding(self) -> Banding:
        """Bands and rows. Raises UsageFault where so few permutations cannot give the recall."""
        found = banding(self.threshold, NUM_PERM, self.recall)
        if found is None:
            least = next((t / 100 for t in range(1, 101) if banding(t / 100, NUM_PERM, self.recall)), 1.0)
            raise UsageFault(
                f"--threshold {self.threshold:g} cannot be had with --recall {self.recall:g}: {NUM_PERM} permutations "
                f"reach down to {least:g}; raise the threshold, or lower the recall"
            )
        return found

    def sketcher(self) -> Sketcher:
        """What texts are compared by."""
        return Sketcher(
            unit=self.unit,
            shingle=self.shingle or SHINGLE[self.unit],
            ignore=("case", "punctuation", "whitespace"),
            seed=0,
            **self.banding()._asdict(),
        )
