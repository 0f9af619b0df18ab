"""An outside judge: rapidfuzz, which knows nothing of words, groups or hashes, on prompts of two splits.

Each prompt of one split is compared with each of the training split, character by character: `fuzz.ratio`, the share of
both texts that needs no edit (normalised Indel similarity, 0 to 100). What it finds is looked at once more without the
words that many prompts share: where little or nothing alike is left, it was the template that was alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

RAPIDFUZZ_VERSION = "3.14.6"
ALIKE = 80.0
"""A pair is found from this ratio on."""
SHARED = 50
"""Different prompts from which on a run of three words is everybody's."""
SHORT = 15
"""Characters of its own below which a prompt says too little to be told from another."""

Words = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the judge says of two splits."""

    judged: int
    """Prompts of the later split."""
    found: int
    """Those that have a prompt of the training split next to them."""
    alike: Sequence[tuple[float, str, str]]
    """Those that are still alike without shared words: ratio, prompt, prompt of the training split."""


def judge(prompts: Sequence[str], train: Sequence[str]) -> Judgement:
    """Compare some prompts with all of the training split."""
    from rapidfuzz import fuzz, process

    shared = _shared({*prompts, *train})
    found, alike = 0, []
    for prompt in prompts:
        match = process.extractOne(prompt, train, scorer=fuzz.ratio, score_cutoff=ALIKE)
        if match is None:
            continue
        found += 1
        own, other = _own(prompt, shared), _own(match[0], shared)
        if min(len(own), len(other)) >= SHORT and fuzz.ratio(own, other) >= ALIKE:
            alike.append((match[1], prompt, match[0]))
    return Judgement(judged=len(prompts), found=found, alike=alike)


def _words(text: str) -> Words:
    return re.findall(r"[\u3400-\u9fff]|\w+|\S", text)


def _runs(words: Words) -> list[tuple[str, ...]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _shared(prompts: set[str]) -> set[tuple[str, ...]]:
    counts = Counter(run for prompt in prompts for run in set(_runs(_words(prompt))))
    return {run for run, count in counts.items() if count >= SHARED}


def _own(prompt: str, shared: set[tuple[str, ...]]) -> str:
    """The words of a prompt that stand in no shared run."""
    words = _words(prompt)
    covered = {place + i for place, run in enumerate(_runs(words)) if run in shared for i in range(3)}
    return " ".join(word for place, word in enumerate(words) if place not in covered)
