"""Overlap of two texts: ROUGE, token F1, edit similarity; all from counts and longest common subsequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from instructkit.evaluate.metrics.texts import items, normalised, tokens


def common_subsequence(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence. One addition on an integer of len(a) bits for each element of b.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited, AWOCA 2004, figure 4.
    """
    places: dict[Hashable, int] = {}
    for i, element in enumerate(a):
        places[element] = places.get(element, 0) | 1 << i
    all_ones = (1 << len(a)) - 1
    row = all_ones
    for element in b:
        matches = row & places.get(element, 0)
        row = (row + matches | row - matches) & all_ones
    return len(a) - row.bit_count()


def f_measure(common: int, a: int, b: int) -> float:
    """Harmonic mean of common / a and common / b; 0 where one of them is empty."""
    return 2 * common / (a + b) if common else 0.0


def rouge_n(reply: str, reference: str, n: int) -> float:
    """ROUGE-n, F1. Source: Lin, ROUGE: A package for automatic evaluation of summaries, 2004, section 2."""
    ours, theirs = (_ngrams(tokens(text), n) for text in (reply, reference))
    return f_measure((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(reply: str, reference: str) -> float:
    """ROUGE-L of the texts as wholes, F1 (beta 1, as the package rouge-score has it). Source: Lin 2004, section 3.1."""
    ours, theirs = tokens(reply), tokens(reference)
    return f_measure(common_subsequence(ours, theirs), len(ours), len(theirs))


def token_f1(reply: str, reference: str) -> float:
    """F1 of the normalised texts as bags of tokens. Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1."""
    ours, theirs = (Counter(tokens(normalised(text))) for text in (reply, reference))
    if not ours or not theirs:  # nothing but punctuation or articles
        return float(reply.strip() == reference.strip())
    return f_measure((ours & theirs).total(), ours.total(), theirs.total())


def edit_similarity(reply: str, reference: str) -> float:
    """1 - (insertions + deletions) / length of both, in characters: 2 LCS / (m + n). Two empty texts: 1.

    As the `fuzz.ratio` that CodeXGLUE completes code by (Lu et al. 2021, arXiv:2102.04664, section 3).
    """
    if not reply and not reference:
        return 1.0
    return f_measure(common_subsequence(reply, reference), len(reply), len(reference))


def item_overlap(reply: str, reference: str) -> tuple[int, int]:
    """(2 × items in both, items of the reply + items of the reference): the sums of a micro-averaged F1."""
    ours, theirs = Counter(items(reply)), Counter(items(reference))
    return 2 * (ours & theirs).total(), ours.total() + theirs.total()


def _ngrams(sequence: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(sequence[i:] for i in range(n)), strict=False))
