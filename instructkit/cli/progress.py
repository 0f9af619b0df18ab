"""Progress of long work: bars on a terminal, one plain line for each finished step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from instructkit.build.runner import Observer, StepProgress


@contextmanager
def step_progress() -> Iterator[Observer]:
    """An observer for the runner that shows each step as it goes."""
    if not sys.stderr.isatty():
        yield _plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def observe(now: StepProgress) -> None:
            if now.step not in tasks:
                tasks[now.step] = bars.add_task(now.step, total=None, said="")
            bars.update(tasks[now.step], total=now.total or None, completed=now.cached + now.ran, said=_said(now))

        yield observe


@contextmanager
def line_progress() -> Iterator[Callable[[str, int, int], None]]:
    """An observer of (what is done, rows done, of how many; 0: nobody knows): one line on a terminal, gone at the end;
    nothing elsewhere.
    """
    if not sys.stderr.isatty():
        yield lambda what, done, of: None
        return

    def observe(what: str, done: int, of: int) -> None:
        click.echo(f"\r\x1b[K{what}: {done:,}" + (f" of {of:,} rows" if of else " rows"), nl=False, err=True)

    try:
        yield observe
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _plain(now: StepProgress) -> None:
    if now.finished:
        click.echo(f"  {now.step:<16} {now.stage:<18} {_said(now)}", err=True)


def _said(now: StepProgress) -> str:
    if not now.finished:
        return ""
    work = f"{now.ran} calls ran" if now.ran else "nothing to do"
    if now.ran and now.cached:
        work += f", {now.cached} found done"
    return f"{now.rows_kept:,} kept, {now.rows_dropped:,} dropped; {work}"
