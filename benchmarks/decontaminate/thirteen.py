"""The usual way in plain Python: a record is contaminated when it shares one run of 13 words with the evaluation.

Source of the number: Brown et al., Language Models are Few-Shot Learners, 2020, appendix C; lm-evaluation-harness and
others took it over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SIZE = 13
WORD = re.compile(r"\w+")


def runs(text: str) -> Iterator[str]:
    """Runs of words of a text, in lower case; of a shorter text all it has."""
    words = WORD.findall(text.lower())
    for at in range(max(len(words) - SIZE + 1, 1)):
        yield " ".join(words[at : at + SIZE])


def known_runs(rows: Iterable[Iterable[str | None]]) -> dict[str, set[int]]:
    """Runs of the texts of rows, and the rows that have them."""
    known: dict[str, set[int]] = {}
    for number, texts in enumerate(rows):
        for text in texts:
            if text and len(WORD.findall(text)) >= SIZE:
                for run in runs(text):
                    known.setdefault(run, set()).add(number)
    return known


def found_in(turns: Iterable[str], known: dict[str, set[int]]) -> set[int]:
    """Rows that share a run with a record."""
    found: set[int] = set()
    for turn in turns:
        for run in runs(turn):
            found |= known.get(run, set())
    return found
