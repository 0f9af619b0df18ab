"""Progress of a training: a bar for each phase on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructkit.train.watch.progress import Event, Progress


@contextmanager
def training_progress() -> Iterator[Progress]:
    """What `train` tells of its work, drawn."""
    if not sys.stderr.isatty():
        from instructkit.train.watch.progress import plain_lines

        yield plain_lines
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def draw(event: Event) -> None:
            if event.message is not None:
                bars.console.print(f"{event.phase}: {event.message}", highlight=False, markup=False)
                return
            if event.phase not in tasks:
                tasks[event.phase] = bars.add_task(event.phase, total=event.total or None, said="")
            said = "  ".join(f"{name} {value:.4g}" for name, value in event.values.items())
            bars.update(tasks[event.phase], completed=event.done, total=event.total or None, said=said)

        yield draw
