"""What one call of `train` is to do, on one rank: what was asked, resolved, and where things lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instructkit.evaluate.answers import Declared
from instructkit.train.config.training import Training
from instructkit.train.save.lineage import Lineage
from instructkit.train.step.ranks import Ranks
from instructkit.train.watch.progress import Event, Progress


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training with its data and its folder."""

    said: Training
    """In the recipe's own words."""
    config: Training
    """The same with paths of this machine, and a model that can be loaded."""
    shards: Sequence[Path]
    out: Path
    root: Path
    """What paths in the recipe are relative to."""
    lineage: Lineage
    metrics: Declared
    """What templates say their replies are measured by, by template hash."""
    start_over: str
    """What to type to start over, for messages."""
    ranks: Ranks
    progress: Progress
    notes: list[str] = field(default_factory=list)
    """What was not possible, and what was done instead; grows while the job runs."""

    @property
    def cache(self) -> Path:
        """Where tokens lie, for the next run."""
        return self.out / "cache"

    def say(self, phase: str, message: str) -> None:
        """Tell the reader something."""
        self.progress(Event(phase=phase, message=message))

    def note(self, *notes: str) -> None:
        """Tell the reader something that belongs on the result too."""
        for note in notes:
            self.notes.append(note)
            self.say("prepare", note)
