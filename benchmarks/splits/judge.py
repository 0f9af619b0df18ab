"""An outside judge: rapidfuzz, which knows nothing of words, groups or hashes, on prompts of two splits.

Each prompt of the test split is compared with each of the training split, character by character: `fuzz.ratio`, the
share of both texts that needs no edit (normalised Indel similarity, 0 to 100). What it finds is then explained:

    template   without the words that many prompts share, the two are no longer alike
    alike      they are: a leak, or two texts that are alike by chance; shown
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

ALIKE = 90.0
"""A pair is found from this ratio on."""
SHARED = 50
"""Prompts from which on a run of three words is everybody's."""
SAMPLE = 1_000
"""Prompts of the test split that are judged."""
SHORT = 15
"""Characters of its own below which a prompt says too little to be told from another."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the judge says of two splits."""

    judged: int
    """Prompts of the later split."""
    found: int
    """Those that have a prompt of the training split next to them."""
    template: int
    """Of these, how many are alike by shared words only."""
    alike: Sequence[tuple[float, str, str]]
    """The rest: ratio, prompt, prompt of the training split."""


def judge(test: Sequence[str], train: Sequence[str]) -> Judgement:
    """Compare some prompts with all others."""
    from rapidfuzz import fuzz, process

    common = _common([*test, *train])
    alike, found = [], 0
    for prompt in test:
        match = process.extractOne(prompt, train, scorer=fuzz.ratio, score_cutoff=ALIKE)
        if match is None:
            continue
        found += 1
        own, other = _own(prompt, common), _own(match[0], common)
        if min(len(own), len(other)) >= SHORT and fuzz.ratio(own, other) >= ALIKE:
            alike.append((match[1], prompt, match[0]))
    return Judgement(judged=len(test), found=found, template=found - len(alike), alike=alike)


def _words(text: str) -> list[str]:
    return re.findall(r"[\u3400-\u9fff]|\w+|\S", text)


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _common(prompts: Sequence[str]) -> set[tuple[str, ...]]:
    counts = Counter(run for prompt in set(prompts) for run in set(_runs(_words(prompt))))
    return {run for run, count in counts.items() if count >= SHARED}


def _own(prompt: str, common: set[tuple[str, ...]]) -> str:
    """The words of a prompt that stand in no run of everybody's."""
    words = _words(prompt)
    shared = {place + i for place, run in enumerate(_runs(words)) if run in common for i in range(3)}
    return " ".join(word for place, word in enumerate(words) if place not in shared)
