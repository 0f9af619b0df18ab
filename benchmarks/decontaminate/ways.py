"""What looking for an evaluation takes: `python -m benchmarks.decontaminate.ways WAY FOLDER`, in a process of its own.

A shard of documents lies in FOLDER/documents.parquet, the evaluation in FOLDER/eval.jsonl (question, answer).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl

from benchmarks.decontaminate.thirteen import found_in, known_runs
from instructkit.contamination.index import Index
from instructkit.stages.decontaminate.decontaminate import Decontaminate
from instructkit.stages.ingest.evaluations import evaluation_files, evaluation_rows, listed
from instructkit.store.shards import read_shard, write_shard

LOOK_UP, STAGE, PEER, READ_AND_WRITE = "look up n-grams", "decontaminate", "13-gram set", "read and write"
WAYS = (LOOK_UP, STAGE, PEER, READ_AND_WRITE)
DOCUMENTS, EVALUATION = "documents.parquet", "eval.jsonl"


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """What a way took."""

    documents: int
    bytes: int
    """Of the documents' texts."""
    rows: int
    """Of the evaluation."""
    before_s: float
    """CPU seconds to make ready: the evaluation read and indexed, once for a corpus of any size."""
    cpu_s: float
    """CPU seconds for the documents, over all threads."""
    found: int
    """Documents in which something was found."""


def measure(way: str, folder: Path) -> Took:
    """Run a way. A run on a few documents comes first and is not timed, so that compiled code is there."""
    documents = read_shard(folder / DOCUMENTS)
    start = time.process_time()
    ready, run = _way(way, folder)
    before = time.process_time() - start
    run(documents.head(50))
    start = time.process_time()
    found = run(documents)
    took = time.process_time() - start
    size = int(documents["text"].str.len_bytes().sum())
    return Took(documents=documents.height, bytes=size, rows=ready, before_s=before, cpu_s=took, found=found)


def _way(way: str, folder: Path) -> tuple[int, Callable[[pl.DataFrame], int]]:
    """(rows of the evaluation, what to do with documents)."""
    if way == READ_AND_WRITE:
        return 0, lambda documents: _written(folder, documents)
    rows = evaluation_rows(evaluation_files(listed(str(folder / EVALUATION))))
    if way == PEER:
        known = known_runs((prompt, *answers) for prompt, answers in rows.select("prompt", "answers").iter_rows())
        return rows.height, lambda documents: sum(bool(found_in([text], known)) for text in documents["text"])
    if way == LOOK_UP:
        index = Index.of(rows)
        index.hits(pl.Series(["to have its tables made"]))
        return rows.height, lambda documents: len(set(index.hits(documents["text"]).record.tolist()))
    stage = Decontaminate(against=str(folder / EVALUATION))
    stage.sketch(read_shard(folder / DOCUMENTS).head(1))  # which has the stage make its index, once a process

    def dropped(documents: pl.DataFrame) -> int:
        decision = stage.decide(stage.sketch(documents).lazy(), documents.lazy())
        return stage.apply(documents, decision).dropped.height

    return rows.height, dropped


def _written(folder: Path, documents: pl.DataFrame) -> int:
    shard = folder / "copy.parquet"
    write_shard(read_shard(folder / DOCUMENTS).head(documents.height), shard)
    return 0


if __name__ == "__main__":
    print(msgspec.json.encode(measure(sys.argv[1], Path(sys.argv[2]))).decode())
