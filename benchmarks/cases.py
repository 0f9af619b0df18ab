"""What is measured: one step of a real recipe each, on rows that were built before."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.corpus import Piece, library_sources

RAW = "  raw: {stage: ingest.jsonl, path: data/*.jsonl, text: body, key: number}\n"
PAIRS = "  pairs: {stage: render, templates: [bench/*]}\n"
FINAL = "  final: {stage: split}\n"
MEASURED = "measured"

TEMPLATES = {
    "bench/title": (
        "Ask for a title.",
        "{% block user %}Give this text a title.\n\n{{ text }}{% endblock %}\n"
        "{% block assistant %}{{ title }}{% endblock %}",
    ),
    "bench/words": (
        "Ask for the lines of a text, with a loop, filters and a condition.",
        "{% block user %}List the long lines of {{ title }}.{% endblock %}\n"
        "{% block assistant %}{% for line in text.splitlines() if line|length > 40 %}\n"
        "{{ loop.index }}. {{ line|trim }}\n{% else %}There is none.\n{% endfor %}{% endblock %}",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A step to measure."""

    name: str
    """Of the stage; another setting of the same stage in brackets."""
    step: str
    """The step in YAML, without its name."""
    before: str = RAW
    """The steps above it, built beforehand."""
    largest: int | None = None
    """Documents of the largest size, for slow stages; the smaller sizes are a quarter and a sixteenth."""
    needs: str | None = None
    """A package that may be missing; the case is left out then."""

    def sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes it is measured at."""
        if self.largest is None or max(sizes) <= self.largest:
            return sizes
        return tuple(max(1, self.largest // 4**i) for i in reversed(range(len(sizes))))

    @property
    def recipe(self) -> str:
        """The recipe whose last step is measured."""
        return f"recipe: case\nseed: 17\nsteps:\n{self.before}  {MEASURED}: {self.step}\n"


CASES = (
    Case(name="ingest.jsonl", step="{stage: ingest.jsonl, path: data/*.jsonl, text: body, key: number}", before=""),
    Case(name="ingest.json", step="{stage: ingest.json, path: json, text: body, key: number}", before=""),
    Case(name="ingest.chat", step="{stage: ingest.chat, path: chat, key: number}", before=""),
    Case(name="ingest.csv", step="{stage: ingest.csv, path: csv, text: body, key: number}", before=""),
    Case(name="ingest.parquet", step="{stage: ingest.parquet, path: parquet, text: body, key: number}", before=""),
    Case(name="ingest.text", step="{stage: ingest.text, path: text}", before=""),
    Case(name="ingest.python", step="{stage: ingest.python, path: python, exclude: []}", before="", largest=8_000),
    Case(name="clean.text", step="{stage: clean.text}"),
    Case(name="filter.length", step="{stage: filter.length, min_words: 50, max_lines: 80}"),
    Case(name="filter.expression", step="{stage: filter.expression, where: \"fields.kind <> 'manual'\"}"),
    Case(name="filter.language", step="{stage: filter.language, keep: [en]}", largest=2_000),
    Case(
        name="filter.language (langdetect-rs)",
        step="{stage: filter.language, keep: [en], detector: langdetect-rs}",
        needs="langdetect_rs",
    ),
    Case(name="dedupe.exact", step="{stage: dedupe.exact}"),
    Case(name="dedupe.minhash", step="{stage: dedupe.minhash, threshold: 0.8}"),
    Case(name="dedupe.against", step="{stage: dedupe.against, against: against, threshold: 0.8}"),
    Case(name="group.near", step="{stage: group.near, threshold: 0.7}"),
    Case(name="group.by", step="{stage: group.by, keys: [fields.title, [source, fields.kind, fields.title]]}"),
    Case(name="decontaminate", step="{stage: decontaminate, against: evaluation}"),
    Case(name="dedupe.lines", step="{stage: dedupe.lines}"),
    # Another seed than above, or the rows that were built beforehand would be found.
    Case(name="render", step="{stage: render, templates: [bench/*], seed: 1}"),
    Case(name="split", step="{stage: split, seed: 1}", before=RAW + PAIRS),
    Case(name="mix", step="{stage: mix, by: template, temperature: 2, epochs: 4}", before=RAW + PAIRS + FINAL),
    *(
        Case(name=f"export.{name}", step=f"{{stage: export.{name}}}", before=RAW + PAIRS + FINAL)
        for name in ("openai", "alpaca", "sharegpt", "trl", "huggingface", "parquet")
    ),
)

WHOLE = f"""\
recipe: whole
seed: 17
steps:
{RAW}  clean: {{stage: clean.text}}
  length: {{stage: filter.length, min_words: 20}}
  unique: {{stage: dedupe.minhash, threshold: 0.8}}
{PAIRS}{FINAL}  chat: {{stage: export.openai}}
"""


def write_project(folder: Path, pieces: list[Piece]) -> None:
    """A project with the corpus in every form that an ingest reads."""
    rows = [{"number": p.number, "title": p.title, "kind": p.kind, "body": p.body} for p in pieces]
    for name in ("data", "json", "chat", "csv", "parquet", "text", "python", "against", "evaluation", "recipes"):
        (folder / name).mkdir(parents=True)
    (folder / "data/corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "json/corpus.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "chat/corpus.jsonl").write_text("".join(json.dumps(_chat(row)) + "\n" for row in rows), encoding="utf-8")
    with (folder / "csv/corpus.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    pl.DataFrame(rows).write_parquet(folder / "parquet/corpus.parquet")
    # Every second text without its first word: near-duplicates, so that pairs are looked for and verified.
    earlier = [{"text": p.body.partition(" ")[2]} for p in pieces[::2]]
    (folder / "against/earlier.jsonl").write_text("".join(json.dumps(row) + "\n" for row in earlier), encoding="utf-8")
    # Of every fiftieth text some words from its middle: records that hold a row, and common phrases everywhere.
    asked = [{"prompt": " ".join(p.body.split()[20:60])} for p in pieces[::50]]
    (folder / "evaluation/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    for piece in pieces:
        (folder / f"text/{piece.number:06}.txt").write_text(piece.body, encoding="utf-8")
    for name, data in library_sources(sum(len(piece.body) for piece in pieces)):
        path = folder / "python" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, (summary, body) in TEMPLATES.items():
        path = folder / f"templates/{name}.jinja"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"---\nsummary: {summary}\ntask: benchmark\ninputs: [text, title]\n---\n"
        path.write_text(head + body, encoding="utf-8")


def _chat(row: dict[str, object]) -> dict[str, object]:
    turns = [{"role": "user", "content": row["title"]}, {"role": "assistant", "content": row["body"]}]
    return {"number": row["number"], "messages": turns}
