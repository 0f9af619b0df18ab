"""Progress of a training: a bar for each phase on a terminal with its numbers below, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from instructkit.train.watch.progress import Event, Progress

INDENT = 2


@contextmanager
def training_progress() -> Iterator[Progress]:
    """What `train` tells of its work, drawn."""
    if not sys.stderr.isatty():
        from instructkit.train.watch.progress import plain_lines

        yield plain_lines
        return
    from rich.console import Console

    with bars(Console(stderr=True)) as draw:
        yield draw


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """A bar for each phase, and under them the numbers of the last step, as many as the console is wide."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    from instructkit.train.watch.progress import facts

    class Bars(Progress):
        numbers: Sequence[str] = ()

        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            if self.numbers:
                yield Text(fitting(self.numbers, self.console.width), no_wrap=True)

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, expand=True) as drawn:
        tasks = {}

        def draw(event: Event) -> None:
            if event.message is not None:
                drawn.console.print(f"{event.phase}: {event.message}", highlight=False, markup=False)
                return
            if event.phase not in tasks:
                tasks[event.phase] = drawn.add_task(event.phase, total=event.total or None)
            drawn.numbers = facts(event.values)
            drawn.update(tasks[event.phase], completed=event.done, total=event.total or None)

        yield draw


def fitting(numbers: Sequence[str], width: int) -> str:
    """The first of the numbers, as many as fit on a line of that width."""
    line = " " * INDENT
    for number in numbers:
        longer = f"{line}{'' if line.isspace() else '  '}{number}"
        if len(longer) > width:
            break
        line = longer
    return line
