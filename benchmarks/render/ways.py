"""One way to render all rows, in a process of its own: `python -m benchmarks.render.ways WAY TEMPLATE PROJECT`.

Each runs once untimed, then once timed: imports, compiling and the first allocations are in no number.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import orjson

from benchmarks.render.project import BODIES, INPUTS, STEP, message_bodies
from instructkit.build.runner import Runner
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.store.store import Store

T = TypeVar("T")
R = TypeVar("R")


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """What a way took for all rows."""

    rows: int
    seconds: float
    cpu_s: float
    """User and system time over all threads and processes."""


class CountingExecutor:
    """An executor that adds up what calls take, here and in other processes.

    What a build does around them is in no number: it looks whether the sources have changed, which reads them whole.
    """

    def __init__(self, inner: LocalExecutor) -> None:
        self.inner = inner
        self.seconds = self.cpu_s = 0.0

    def run(self, function: Callable[[T], R], calls: Sequence[T]) -> Iterator[R]:
        """See `Executor.run`."""
        start, cpu = time.perf_counter(), time.process_time()
        found = list(self.inner.run(partial(counted, function), calls))
        self.seconds += time.perf_counter() - start
        self.cpu_s += time.process_time() - cpu + sum(cpu_s for _, pid, cpu_s in found if pid != os.getpid())
        return iter([result for result, _, _ in found])


def counted(function: Callable[[T], R], call: T) -> tuple[R, int, float]:
    """(result, process, CPU seconds) of a call."""
    start = time.process_time()
    result = function(call)
    return result, os.getpid(), time.process_time() - start


def instructkit(workers: int, template: str, project: Path) -> Took:
    """The render step as a build runs it: read the shards of documents, render, write the shards of examples."""
    recipe = load_recipe(project / f"recipes/{template}.yaml")
    with LocalExecutor(workers) as local:
        for _ in range(2):
            with fresh_store(project) as store:
                executor = CountingExecutor(local)
                manifest = Runner(recipe, store, executor).run()
                took = Took(rows=manifest.steps[STEP].rows_kept, seconds=executor.seconds, cpu_s=executor.cpu_s)
    return took


@contextmanager
def fresh_store(project: Path) -> Iterator[Store]:
    """The store in which the documents lie, and nothing else: what is there already would not be written again."""
    with TemporaryDirectory(dir=project) as folder:
        shutil.copytree(project / "build/.store", folder, dirs_exist_ok=True)
        yield Store(Path(folder))


def jinja_whole(template: str, project: Path) -> Took:
    """`Template.render` of both messages as one text, in a loop over rows in memory."""
    from jinja2 import Environment

    render = Environment().from_string(BODIES[template]).render
    rows = in_memory(project)
    return second_run(lambda: len([render(row) for row in rows]))


def jinja_messages(template: str, project: Path) -> Took:
    """`Template.render` of each message, in a loop over rows in memory."""
    from jinja2 import Environment

    environment = Environment()
    (one, first), (two, second) = [
        (role, environment.from_string(body).render) for role, body in message_bodies(BODIES[template]).items()
    ]
    rows = in_memory(project)
    return second_run(
        lambda: len([[{"role": one, "content": first(r)}, {"role": two, "content": second(r)}] for r in rows])
    )


def datasets_map(template: str, project: Path) -> Took:
    """`datasets.map`, row by row, from an Arrow file to an Arrow file: both messages as one text."""
    import datasets
    from jinja2 import Environment

    datasets.disable_progress_bars()
    compiled = Environment().from_string(BODIES[template])

    def render(row: dict[str, Any]) -> dict[str, Any]:
        return {"rendered": compiled.render(row)}

    with TemporaryDirectory(dir=project) as folder:
        datasets.Dataset.from_list(in_memory(project)).save_to_disk(f"{folder}/rows")
        loaded = datasets.load_from_disk(f"{folder}/rows")
        made = iter(range(2))

        def run() -> int:
            file = f"{folder}/rendered-{next(made)}.arrow"
            return len(loaded.map(render, cache_file_name=file, new_fingerprint=Path(file).stem))

        return second_run(run)


def in_memory(project: Path) -> list[dict[str, Any]]:
    """The rows, with the template's inputs alone."""
    with (project / "data/rows.jsonl").open("rb") as file:
        return [{name: row[name] for name in INPUTS} for row in map(orjson.loads, file)]


def second_run(run: Callable[[], int]) -> Took:
    """Run twice and time the second."""
    run()
    start, cpu = time.perf_counter(), time.process_time()
    rows = run()
    return Took(rows=rows, seconds=time.perf_counter() - start, cpu_s=time.process_time() - cpu)


WAYS: dict[str, Callable[[str, Path], Took]] = {
    "instructkit, 1 worker": partial(instructkit, 1),
    "instructkit, 2 workers": partial(instructkit, 2),
    "jinja2, one render a row": jinja_whole,
    "jinja2, one render a message": jinja_messages,
    "datasets.map, row by row": datasets_map,
}

if __name__ == "__main__":
    print(msgspec.json.encode(WAYS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))).decode())
