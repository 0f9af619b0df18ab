"""`python -m benchmarks.decontaminate`: what finding rows of evaluations takes, and which are found."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
import polars as pl

from benchmarks.corpus import make_corpus
from benchmarks.decontaminate.page import Shares, part
from benchmarks.decontaminate.planted import Planted, apart, library_paragraphs, plant
from benchmarks.decontaminate.thirteen import found_in, known_runs
from benchmarks.decontaminate.ways import DOCUMENTS, EVALUATION, WAYS, Took
from benchmarks.parts import put
from benchmarks.process import ROOT, run
from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.schema import Document, Origin, frame
from instructkit.store.shards import write_shard

PAGE = ROOT / "docs" / "benchmarks.md"
DATA = Path(os.environ.get("INSTRUCTKIT_DATA", "none"))
DOCUMENTS_COUNT, ROWS, ROUNDS = 20_000, 20_000, 3
PROMPT_WORDS, ANSWER_WORDS = 40, 60


@click.command()
@click.option("--documents", default=DOCUMENTS_COUNT, show_default=True, type=click.IntRange(min=1), help="Documents.")
@click.option("--rows", default=ROWS, show_default=True, type=click.IntRange(min=1), help="Rows of the evaluation.")
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(min=1), help="Runs of each way.")
@click.option("--out", default=PAGE, type=click.Path(path_type=Path), help="Default: docs/benchmarks.md.")
def main(documents: int, rows: int, rounds: int, out: Path) -> None:
    """Measure speed on text of this machine, and accuracy on rows planted in Python's docs (and, with INSTRUCTKIT_DATA,
    in GSM8K).
    """
    start, load = time.perf_counter(), os.getloadavg()[0]
    best: dict[str, Took] = {}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        write_corpus(folder, documents, rows)
        for number in range(rounds):
            for way in WAYS:
                click.echo(f"round {number + 1} of {rounds}: {way}", err=True)
                words = ["-m", "benchmarks.decontaminate.ways", way, str(folder)]
                took = msgspec.json.decode(run(words).output.splitlines()[-1], type=Took)
                if way not in best or took.cpu_s < best[way].cpu_s:
                    best[way] = took
    planted = {}
    for texts, paragraphs in _texts():
        click.echo(f"rows planted in {texts}", err=True)
        planted[texts] = found(plant(paragraphs))
    said = ["python -m benchmarks.decontaminate"]
    said += [f"--documents {documents}"] if documents != DOCUMENTS_COUNT else []
    said += [f"--rows {rows}"] if rows != ROWS else []
    said += [f"--rounds {rounds}"] if rounds != ROUNDS else []
    put(out, "decontaminate", part(" ".join(said), time.strftime("%Y-%m-%d"), load, best, planted))
    click.echo(f"wrote {out.name} after {time.perf_counter() - start:.0f} s")


def write_corpus(folder: Path, documents: int, rows: int) -> None:
    """Documents, and an evaluation of other texts; of both fewer where the machine has too little text."""
    # Of texts that share words with one before, as licences do, an evaluation has the first.
    bodies = [piece.body for piece in make_corpus(documents + 2 * rows).pieces]
    at = len(bodies) * documents // (documents + 2 * rows)
    made = (
        Document(id=f"d{n}", group=f"g{n}", source="bench", origin=Origin(file="corpus", line=n + 1), text=body)
        for n, body in enumerate(bodies[:at])
    )
    write_shard(frame(Document, made), folder / DOCUMENTS)
    with (folder / EVALUATION).open("w", encoding="utf-8") as file:
        beginnings = (" ".join(body.split()[: PROMPT_WORDS + ANSWER_WORDS]) for body in bodies[at:])
        for text in apart(beginnings)[:rows]:
            words = text.split()
            prompt, answer = words[:PROMPT_WORDS], words[PROMPT_WORDS:]
            file.write(json.dumps({"question": " ".join(prompt), "answer": " ".join(answer)}) + "\n")


def _texts() -> Iterator[tuple[str, list[str]]]:
    yield "Python's docstrings and language reference", library_paragraphs()
    path = DATA / "gsm8k/train.jsonl"
    if path.is_file():
        rows = pl.read_ndjson(path)
        texts = (f"{question} {answer}" for question, answer in rows.select("question", "answer").iter_rows())
        yield "GSM8K's questions and answers", apart(texts)


def found(planted: Planted) -> dict[str, Shares]:
    """Shares of planted and clean rows that are found, by tool."""
    index = Index.of(planted.evaluation)
    pairs = set(find(index, planted.turns, planted.groups).select("record", "row").iter_rows())
    known = known_runs((q, *a) for q, a in planted.evaluation.select("prompt", "answers").iter_rows())
    theirs = {(n, row) for n, record in enumerate(planted.records) for row in found_in(record.turns, known)}
    return {"instructkit": planted.shares(pairs), "13-gram set": planted.shares(theirs)}


if __name__ == "__main__":
    main()
