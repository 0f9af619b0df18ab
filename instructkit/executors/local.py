"""Processes of one machine.

Workers are spawned, never forked (polars can deadlock in a forked child), once for the whole build, each with its share
of the cores. One call alone, or one worker, runs in this process: a build that is all cached starts no process at all.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Protocol, TypeVar

from instructkit.errors import RunError

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Runs calls somewhere and gives their results in any order."""

    def run(self, function: Callable[[T], R], calls: Sequence[T]) -> Iterator[R]:
        """Results as they come. `function` and `calls` must pickle. The first error ends the rest and is raised."""
        ...


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalExecutor:
    """Processes of this machine; a context manager."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, function: Callable[[T], R], calls: Sequence[T]) -> Iterator[R]:
        """See `Executor.run`. Raises RunError when a worker is killed."""
        if self.workers == 1 or len(calls) <= 1:
            yield from map(function, calls)
            return
        futures: list[Future[R]] = []
        try:
            # A worker may die while calls are still being handed out: then it is `submit` that raises.
            futures += [self._started().submit(function, call) for call in calls]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            self._pool = None
            raise RunError(
                "a worker process was killed, most likely for want of memory; what was finished is kept. "
                f"Run the build again with fewer workers (now {self.workers}): --workers {max(1, self.workers // 2)}"
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=get_context("spawn"),
                initializer=_start_worker,
                initargs=(max(1, cores() // self.workers), os.getpid()),
            )
        return self._pool


def _start_worker(threads: int, parent: int) -> None:
    # Before the first import of polars in this process: it reads the variable once.
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    """End this worker when the process that started it was killed: nobody is left to give it work, or to end it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
