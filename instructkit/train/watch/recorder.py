"""What a run leaves behind after each step: a line of metrics.jsonl, the ledger's journal, trackers, the bar.

A line: step, loss, learning_rate, gradient_norm, tokens, supervised_tokens and fill, which are the same whenever the
training is run; then seconds and the others that `watch.meter` explains; then what was measured on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from instructkit.store.atomic import beside
from instructkit.train.watch.flops import Lengths
from instructkit.train.watch.journal import Journal
from instructkit.train.watch.meter import Meter
from instructkit.train.watch.progress import Event, Progress
from instructkit.train.watch.trackers import Tracker

SHOWN = ("loss", "learning_rate", "tokens_per_s", "supervised_tokens_per_s", "mfu", "fill", "data_wait", "memory_bytes")
"""Numbers of a line that the bar shows."""


class Recorder:
    """Records steps of a run whose first `done` steps are recorded: `begin`, `observe`, `end`, `write`.

    On ranks but the first, `metrics` is None: they keep their journal and say nothing.
    """

    def __init__(
        self,
        metrics: Path | None,
        meter: Meter,
        progress: Progress,
        *,
        done: int,
        steps: int,
        trackers: Sequence[Tracker] = (),
        journal: Journal | None = None,
    ) -> None:
        self.meter, self.progress, self.steps, self.trackers, self.journal = meter, progress, steps, trackers, journal
        self.observe = journal.observe if journal is not None else None
        self.begin = meter.begin
        self._file = None
        self._line: dict[str, Any] = {}
        if metrics is not None:
            rewind(metrics, done)
            self._file = metrics.open("ab")

    def end(self, step: int, numbers: Mapping[str, float], lengths: Lengths, cells: int, space: int) -> None:
        """The step, from 1, is done; see `Meter.end`. `numbers` begin its line."""
        speed = self.meter.end(lengths, int(numbers["supervised_tokens"]), cells, space)
        self._line = {"step": step, **numbers, **speed}
        shown = {name: self._line[name] for name in SHOWN} | self.meter.outlook(self._line, self.steps - step)
        self.progress(Event(phase="train", done=step, total=self.steps, values=shown))

    def write(self, measured: Mapping[str, Any]) -> None:
        """Write the step's line with what was measured after it; all is on its way to the disk when this returns."""
        line = self._line | dict(measured)
        if self.journal is not None:
            self.journal.flush()
        if self._file is not None:
            self._file.write(orjson.dumps(line) + b"\n")
            self._file.flush()
            for tracker in self.trackers:
                tracker.log(line)

    def close(self) -> None:
        """No more steps; after a failure too, so that what was recorded is there."""
        if self._file is not None:
            self._file.close()
        for tracker in self.trackers:
            tracker.close()


def rewind(metrics: Path, step: int) -> None:
    """Cut what was written after `step` steps: those steps are run again. A half-written line goes too."""
    lines = []
    for line in metrics.read_bytes().splitlines(keepends=True) if metrics.exists() else []:
        if line.endswith(b"\n") and orjson.loads(line)["step"] <= step:
            lines.append(line)
    with beside(metrics) as temporary:
        temporary.write_bytes(b"".join(lines))


def read_metrics(metrics: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a number that was not finite is None."""
    return [orjson.loads(line) for line in metrics.read_bytes().splitlines()]
