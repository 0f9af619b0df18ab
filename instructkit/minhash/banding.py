"""Bands and rows: how surely a pair is compared, and what that costs.

signature of minima   | 12 7 3 | 5 88 1 | 40 2 9 | ...     bands of `rows` minima each
band hashes           |  h1    |  h2    |  h3    | ...     two texts are compared when one band hash is equal
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

MISSED_BY_BITS = 0.05
"""Share of the misses that a recall allows that `bits_apart` may use up; the bands keep the rest."""


class Banding(NamedTuple):
    """A signature cut into bands."""

    bands: int
    rows: int
    missed: float = 1e-5
    """Share of pairs at the threshold that are given up for the bits of their minima, see `bits_apart`."""

    def recall(self, similarity: float) -> float:
        """Least probability that a pair as alike as the threshold or more is found: caught, and not given up."""
        return self.catch_probability(similarity) * (1 - self.missed)

    @property
    def num_perm(self) -> int:
        """Permutations that it takes."""
        return self.bands * self.rows

    def catch_probability(self, similarity: float) -> float:
        """See the function of that name."""
        return catch_probability(similarity, self.bands, self.rows)

    def mean_probability(self, low: float, high: float) -> float:
        """`catch_probability`, averaged over similarities from `low` to `high` as if all were equally frequent.

        From the threshold to 1 it is the recall to expect, from 0 to the threshold the share of unlike pairs that are
        compared in vain. Simpson's rule on 200 intervals.
        """
        if high <= low:
            return self.catch_probability(high)
        steps = 200
        weights = [1, *(4 if i % 2 else 2 for i in range(1, steps)), 1]
        values = (self.catch_probability(low + (high - low) * i / steps) for i in range(steps + 1))
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / (3 * steps)


def catch_probability(similarity: float, bands: int, rows: int) -> float:
    """Probability that LSH compares two documents at all.

    1 - (1 - s**rows) ** bands, with s the Jaccard similarity in [0, 1].
    Example: s=0.8, bands=14, rows=8 -> 0.924.

    Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.
    """
    return float(1 - (1 - similarity**rows) ** bands)


def banding(threshold: float, num_perm: int, recall: float) -> Banding | None:
    """The strictest banding that finds a pair at exactly the threshold with probability `recall`.

    More rows a band give fewer useless comparisons; what they would miss, or `num_perm` permutations cannot give, is
    the limit. As few bands as do. None: so few permutations cannot reach that recall.

    Example: threshold 0.8, 144 permutations, recall 0.99 -> 20 bands of 7 rows (0.991).
    """
    missed = (1 - recall) * MISSED_BY_BITS
    for rows in range(num_perm, 0, -1):
        for bands in range(1, num_perm // rows + 1):
            found = Banding(bands, rows, missed)
            if found.recall(threshold) >= recall:
                return found
    return None


def banding_faults(threshold: float, num_perm: int, recall: float) -> list[str]:
    """A message for the recipe's author where `banding` gives None."""
    if banding(threshold, num_perm, recall) is not None:
        return []
    return [
        f"{num_perm} permutations cannot find pairs of similarity {threshold:g} with probability {recall:g}; raise "
        "num_perm or the threshold, or lower recall"
    ]


def bits_apart(threshold: float, bits: int, missed: float) -> int:
    """How many of `bits` one-bit minima two texts at the threshold differ in at most, but for a share of `missed`.

    Each differs with probability (1 - s) / 2 at similarity s. Example: threshold 0.8, 128 bits, one pair in 100,000 ->
    29 (12.8 on average).

    Source: Li and König, b-Bit Minwise Hashing, 2010, with b = 1 and sets small beside the space of hashes.
    """
    differs = (1 - threshold) / 2
    chance = 1.0
    for apart in range(bits + 1):
        chance -= comb(bits, apart) * differs**apart * (1 - differs) ** (bits - apart)
        if chance <= missed:
            return apart
    return bits
