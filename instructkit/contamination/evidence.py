"""What to show for a finding: the place in the record, beside the text of the evaluation row."""

from __future__ import annotations

from typing import NamedTuple

from instructkit.contamination.index import Index
from instructkit.contamination.spans import spans_of
from instructkit.text.view import BETWEEN

LONGEST = 2_000
"""Characters of either text that are kept."""


class Evidence(NamedTuple):
    """Two texts side by side, each cut after `LONGEST` characters."""

    here: str
    """Of the record, from the first word that was found to the last."""
    there: str
    """Of the evaluation row: the part that was found, whole."""
    cut: bool
    """Whether one of them goes on."""


def evidence(index: Index, turns: list[str], row: int, part: str, segment: int, found: range, whole: bool) -> Evidence:
    """The evidence for a finding (see `judge.FINDING`) in a record of `turns`.

    `found`: words of the record, from `first` to `last`. `whole`: nothing of the row is missing; else some words more
    are shown on either side, where the first or last one may differ.
    """
    more = 0 if whole else index.ngram
    here = place(index, turns, max(found.start - more, 0), found.stop + more)
    there = index.texts[segment]
    if part == "both":
        there = BETWEEN.join([index.rows["prompt"][row] or "", *_there(index.answers(row), here)])
    return Evidence(here[:LONGEST], there[:LONGEST], max(len(here), len(there)) > LONGEST)


def place(index: Index, turns: list[str], first: int, last: int) -> str:
    """The text of a record from word `first` to before word `last`, its turns on end; as Unicode's NFC has it."""
    found = []
    for turn in turns:
        spans = spans_of(index.sketcher, turn)
        count = len(spans.words)
        if first < count and last > 0:
            # With what follows the last word up to the next: its full stop, most often.
            end = int(spans.starts[last]) if last < count else len(spans.text)
            found.append(spans.text[int(spans.starts[max(first, 0)]) : end].rstrip())
        first, last = first - count, last - count
        if last <= 0:
            break
    return BETWEEN.join(found)


def _there(answers: list[str], here: str) -> list[str]:
    """Of several answers that count as right the one that stands in the record, else the first."""
    return next(([answer] for answer in answers if answer.lower() in here.lower()), answers[:1])
