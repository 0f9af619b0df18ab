"""What a look for leaks found: counts by pair of splits and by evaluation, and pairs of rows as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

COMMON_ANSWER, CONTAMINATED, NEARLY = "common_answer", "contaminated", "nearly_contaminated"
"""Kinds beside those of `overlap` and `identities`. The first and last are no leak."""
NO_SPLIT = "(no split)"
"""Rows that belong to none, where others do."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two rows that are alike."""

    file: str
    line: int | None
    id: str | None
    split: str
    prompt: str
    """Its beginning, without exemplars."""
    answer: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A row that stands in an earlier split too."""

    kind: str
    similarity: float | None
    """Jaccard similarity of word 5-grams; 1 for the same text; null where it is an id or group that is the same. Of a
    row that holds one of an evaluation the score, as `decontaminate` has it."""
    earlier: Side
    """In an earlier split, or (split `evaluation`) the row of an evaluation."""
    later: Side


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two splits."""

    earlier: str
    later: str
    rows: int
    """Of the later one."""
    crossing: int
    """Of these, the rows that cross in any way but by a common answer."""
    counts: dict[str, int]
    """Rows of the later split by kind; of kinds of likeness each row counts under the strongest only."""


class Contamination(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation file, and the rows that hold one of its rows: prompt, answer or both."""

    file: str
    rows: int
    """That it has."""
    found: int
    """Of these, how many stand in the dataset."""
    counts: dict[str, int]
    """Rows of the dataset that hold one of them, by split."""
    nearly: int
    """Rows of the dataset whose score is above the threshold of a build's own step by so little that another mix of
    rows explains it; they are no leak."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a dataset."""

    path: str
    step: str | None
    """Of a build, the export or step that was read."""
    files: int
    rows: dict[str, int]
    """By split."""
    ours: bool
    """Whether rows say their ids, documents and groups, so that these were compared too."""
    unsplit: int
    """Rows that belong to no split. Beside splits they are one of their own, `NO_SPLIT`."""
    not_read: dict[str, int]
    """Rows without a text that could be compared, by what is wrong with them."""
    threshold: float
    shingle: int
    recall: float
    """Least probability that a pair exactly at the threshold is compared; more alike pairs fare better."""
    common: int
    """Texts from which on a sequence of words counts as nobody's own."""
    short: int
    """Rows with too few words of their own to be near-duplicates; compared as a whole."""
    candidates: int
    """Pairs that were compared shingle by shingle."""
    pairs: list[Pair]
    evaluations: list[Contamination]
    evidence: list[Evidence]
    said: list[str]
    """What is to be known beside it."""
    gaps: list[str]
    """What was not compared and should have been; where there is any, nobody knows whether all is clean."""
    masked: int
    """Rows of 30 words and more of which next to nothing is their own: near-copies of very many others, or rows of one
    template. As a whole they are compared all the same."""

    @property
    def verdict(self) -> Literal["clean", "leaks", "not_all_compared"]:
        """Whether anything crosses or a row of an evaluation is held, and if not, whether all was looked at."""
        if any(pair.crossing for pair in self.pairs) or any(each.found for each in self.evaluations):
            return "leaks"
        return "not_all_compared" if self.gaps else "clean"

    @property
    def clean(self) -> bool:
        """Whether nothing crosses, no evaluation row is held, and all was looked at."""
        return self.verdict == "clean"


def verified_json(found: Sequence[Verified]) -> str:
    """All that was found, as JSON text."""
    datasets = [{"clean": each.clean, "verdict": each.verdict, **msgspec.to_builtins(each)} for each in found]
    value = {"clean": all(each.clean for each in found), "datasets": datasets}
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
