"""What a training will take, known before it begins.

examples, tokens, steps   exactly: the data is tokenised and planned, and waits in the cache for the training
memory                    weights and optimizer by counting, activations by a forward pass without numbers
time                      by a probe: some real micro-batches on the real model and device
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from instructkit.errors import TrainingError
from instructkit.hashing import file_digest
from instructkit.train.config.training import Training
from instructkit.train.data.load import load
from instructkit.train.data.plan import Figures
from instructkit.train.data.preflight import Preflight
from instructkit.train.data.source import open_source
from instructkit.train.evaluations import check
from instructkit.train.step.memory import Memory, count_memory
from instructkit.train.step.probe import Probe, measure
from instructkit.train.watch.progress import Event, Progress, silent


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A training that has not begun."""

    preflight: Preflight | None
    """None: it would be refused before its examples are looked at."""
    overlong: str
    refused: str | None = None
    """Why it would not begin; nothing below is known then."""
    figures: Figures | None = None
    memory: Memory | str | None = None
    """A text: why it cannot be told."""
    probe: Probe | None = None

    @property
    def seconds(self) -> float | None:
        """Of all steps, evaluations and checkpoints not counted; None without a probe."""
        if self.probe is None or self.figures is None:
            return None
        return self.figures.tokens / self.probe.tokens_per_s + self.figures.steps * self.probe.update_s

    def lines(self) -> list[str]:
        """For a reader."""
        said = [] if self.preflight is None else self.preflight.lines(self.overlong)
        if self.refused is not None:
            return [*said, f"would be refused: {self.refused}"]
        assert self.figures is not None
        said.append(self.figures.line())
        if self.memory is not None:
            said.append(_memory_line(self.memory))
        if self.probe is None or self.seconds is None:
            said.append("time: --probe measures some micro-batches")
        else:
            p = self.probe
            peak = "" if p.peak_bytes is None else f"; it took {_gb(p.peak_bytes)}"
            said.append(
                f"time about {_duration(self.seconds)} and evaluations: {p.tokens_per_s:,.0f} tokens/s on {p.device}, "
                f"{p.update_s:.3g} s for each update{peak}"
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            **({} if self.preflight is None else self.preflight.as_json(self.figures)),
            "refused": self.refused,
            "memory": asdict(self.memory) if isinstance(self.memory, Memory) else None,
            "probe": None if self.probe is None else asdict(self.probe),
            "seconds": self.seconds,
        }


def outlook(
    config: Training,
    shards: Sequence[Path],
    out: Path,
    *,
    root: Path = Path(),
    base: Path | None = None,
    probe: bool = False,
    progress: Progress | None = None,
) -> Outlook:
    """What the training of `out` will take; of its folder only the cache is written to. Arguments as of `train`.

    Raises InputError, StageError, and UsageFault for a path where nothing lies.
    """
    say = progress or silent
    config = config.at(root) if config.from_ is None else replace(config.at(root), model=str(base))
    preflight = None
    try:
        chat, source = open_source(config, shards, [file_digest(path) for path in shards], out / "cache", say)
        data, preflight = load(source, config, out / "cache", say)
        preflight.refuse(config)
        plan = data.plan(config)
        check(config, shards, plan.steps)
        say(Event(phase="prepare", message="counting memory"))
        memory = count_memory(config, chat, data, plan)
        measured = measure(config, chat, data, plan) if probe else None
    except TrainingError as refusal:
        return Outlook(preflight=preflight, overlong=config.overlong, refused=str(refusal))
    return Outlook(
        preflight=preflight,
        overlong=config.overlong,
        figures=data.figures(plan),
        memory=memory,
        probe=measured,
    )


def _memory_line(m: Memory | str) -> str:
    if isinstance(m, str):
        return f"memory: cannot be told beforehand for this model ({m})"
    share = "" if m.trained == m.parameters else f", {m.trained:,} of them trained"
    state = f"{_gb(m.state)} for {m.parameters:,} parameters{share}"
    if m.activations is None:
        return f"memory: {state}; activations cannot be counted beforehand for this model ({m.uncounted})"
    return (
        f"memory about {_gb(m.state + m.activations)}: {state}, {_gb(m.activations)} for the activations of a "
        f"micro-batch of {m.micro_batch_tokens:,} tokens"
    )


def _gb(count: float) -> str:
    if count < 1e9:
        return f"{count / 1e6:,.0f} MB"
    return f"{count / 1e9:.2g} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
