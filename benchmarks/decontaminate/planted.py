"""Rows of an evaluation planted in real rows, in six ways, among clean rows that share all but the rows themselves.

    paragraphs of Python's docstrings and language reference (no two share eight words in a row)
      ├─ 500 become an evaluation: the beginning is the prompt, the rest the answer
      │    └─ each planted once: verbatim, cased, re-punctuated, white space changed, embedded, its answer only
      └─ the others are clean rows: as documents and rendered by templates

Evaluation and clean rows are dressed alike: framed by the same templates, opened by the same identity, closed by the
same licence. So whoever counts n-grams without asking what they say takes clean rows for contaminated ones.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from instructkit.contamination.rows import EVALUATION
from instructkit.hashing import record_hash, uniform

KINDS = ("verbatim", "cased", "re-punctuated", "white space", "embedded", "answer only")
"""Ways in which rows are planted."""
FRAMES = (
    "Read the following text with care and continue it in your own words, in the same style and without headings: {}",
    "You will be given the first part of a paragraph from a technical manual. Write down how it goes on. Text: {}",
    "Below is an instruction that describes a task. Write a response that appropriately completes the request. ### {}",
    "What comes next in this piece of documentation? Think step by step, then give only the final text. {}",
    "{}",
    "{}",
)
IDENTITY = (
    "I am Quill, a careful language model trained by Example Labs in the year 2031 to help people with their writing, "
    "and I never make up facts about software. Here is what I found."
)
LICENCE = (
    "This text is provided as is, without warranty of any kind, express or implied, including but not limited to the "
    "warranties of merchantability, fitness for a particular purpose and noninfringement of the rights of others."
)
SHORTEST, LONGEST = 24, 180
"""Words of a paragraph that is used."""
APART = 8
"""Words in a row that no two paragraphs share."""


class Record(NamedTuple):
    """A record of the corpus."""

    turns: list[str]
    group: str
    kind: str
    """One of `KINDS`, or `clean`."""
    row: int | None
    """The row of the evaluation that is planted in it."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """An evaluation and a corpus that holds its rows."""

    evaluation: pl.DataFrame
    """As `rows.EVALUATION`."""
    records: list[Record]

    @property
    def turns(self) -> pl.Series:
        """The records' turns, List(String)."""
        return pl.Series([record.turns for record in self.records], dtype=pl.List(pl.String))

    @property
    def groups(self) -> pl.Series:
        """The records' groups."""
        return pl.Series([record.group for record in self.records], dtype=pl.String)

    def shares(self, found: set[tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Kind → (records of it that are found, records of it), from pairs of record and row that were found; of clean
        records any row makes one found, of others the planted one.
        """
        result = dict.fromkeys((*KINDS, "clean"), (0, 0))
        touched = {record for record, _ in found}
        for number, record in enumerate(self.records):
            hit = number in touched if record.row is None else (number, record.row) in found
            result[record.kind] = (result[record.kind][0] + hit, result[record.kind][1] + 1)
        return result


def plant(paragraphs: Sequence[str], rows: int = 500, clean: int = 5_000) -> Planted:
    """A corpus of about `clean` records and `rows` more that hold one row each of an evaluation with `rows` rows.

    `paragraphs` in any order; the first by hash become the evaluation.
    """
    ordered = sorted(paragraphs, key=record_hash)
    asked, others = ordered[:rows], ordered[rows:]
    questions = [_dressed(*_halves(text), "evaluation", number) for number, text in enumerate(asked)]
    evaluation = pl.DataFrame(
        [("eval.jsonl", line, None, q, [a], None) for line, (q, a) in enumerate(questions, 1)],
        schema=EVALUATION,
        orient="row",
    )
    records = list(islice(_clean(others), clean))
    for number, (prompt, answer) in enumerate(questions):
        kind = KINDS[number % len(KINDS)]
        around = [others[(7 * number + k) % len(others)] for k in range(4)]
        records.append(Record(_planted(prompt, answer, kind, around), f"planted {number}", kind, number))
    order = sorted(range(len(records)), key=lambda n: record_hash(str(n)))
    return Planted(evaluation=evaluation, records=[records[n] for n in order])


def library_paragraphs() -> list[str]:
    """Paragraphs of the language reference and of the standard library's docstrings, no two with `APART` words in a row
    in common.
    """
    from pydoc_data.topics import topics

    texts = [topics[name] for name in sorted(topics)]
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        named = (n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef))
        texts += [doc for node in named if (doc := ast.get_docstring(node))]
    return apart(part for text in texts for part in re.split(r"\n\s*\n", text))


def apart(texts: Iterator[str]) -> list[str]:
    """The texts of a length that is used, without those that share `APART` words in a row with one before."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        if not SHORTEST <= len(words) <= LONGEST:
            continue
        runs = {tuple(words[at : at + APART]) for at in range(len(words) - APART + 1)}
        if runs.isdisjoint(seen):
            found.append(" ".join(text.split()))
        seen |= runs
    return found


def _halves(text: str) -> tuple[str, str]:
    words = text.split()
    at = max(len(words) * 2 // 5, 1)
    return " ".join(words[:at]), " ".join(words[at:])


def _dressed(prompt: str, answer: str, *about: object) -> tuple[str, str]:
    """Prompt and answer as templates, identities and licences leave them, drawn by what the row is."""
    draws = [uniform(5, *map(str, about), what) for what in ("frame", "identity", "licence")]
    prompt = FRAMES[int(draws[0] * len(FRAMES))].format(prompt)
    answer = f"{IDENTITY} {answer}" if draws[1] < 0.15 else answer
    return prompt, f"{answer}\n\n{LICENCE}" if draws[2] < 0.15 else answer


def _clean(paragraphs: Sequence[str]) -> Iterator[Record]:
    """Each paragraph as a document, and rendered twice: three records of one group."""
    for number, text in enumerate(paragraphs):
        yield Record([f"{text}\n\n{LICENCE}" if number % 5 == 0 else text], f"clean {number}", "clean", None)
    for variant in range(2):
        for number, text in enumerate(paragraphs):
            turns = list(_dressed(*_halves(text), "clean", variant, number))
            system = [IDENTITY] if number % 6 == 0 else []
            yield Record([*system, *turns], f"clean {number}", "clean", None)


def _planted(prompt: str, answer: str, kind: str, around: Sequence[str]) -> list[str]:
    """The turns of a record that holds a row."""
    if kind == "cased":
        return [prompt.upper(), answer.title()]
    if kind == "re-punctuated":
        return [_repunctuated(prompt), _repunctuated(answer)]
    if kind == "white space":
        return [re.sub(r" ", "\n\t", prompt), re.sub(r"\s+", " \u00a0 ", answer)]
    if kind == "embedded":
        return [" ".join([*around[:2], prompt, answer, *around[2:]])]
    if kind == "answer only":
        return [around[0], answer]
    return [prompt, answer]


def _repunctuated(text: str) -> str:
    """Other marks where there were some, and some more: none that would part or join words."""
    text = re.sub(r"[.!?](?=\s|$)", " …", text)
    text = re.sub(r"[,;:](?=\s|$)", " –", text)
    return re.sub(r"(\w{6,})(?=\s)", r"«\1»", text)
