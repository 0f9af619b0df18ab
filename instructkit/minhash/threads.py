"""Work on several threads, results in order, with few items under way at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import polars as pl

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """function(item) of each item, in their order, on as many threads as polars may use (`POLARS_MAX_THREADS`).

    One item more than there are threads is held at most. For functions that leave Python's lock, as the kernels and
    polars do. An error of the function or of the items comes up where its result would.
    """
    threads = pl.thread_pool_size()
    if threads == 1:
        yield from map(function, items)
        return
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
