"""How much of each value a mix takes: shares, a budget divided by them, and what a value can give. Exact arithmetic.

weights    squad 3, alpaca 1          rows: 10        squad 7.5 → 8   alpaca 2.5 → 2
each row   3 rows of squad, 8 wanted: 2 each, and 1 more for the first 2 in drawn order: 3 3 2
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

Shares = Mapping[str, Fraction]
"""Value → its share of the mix, in no unit: only what the shares are to one another counts."""


def weighted(weights: Mapping[str, float]) -> dict[str, Fraction]:
    """Weights as shares: 0.1 is a tenth, not the nearest binary fraction."""
    return {value: Fraction(str(weight)) for value, weight in weights.items()}


def proportional(sizes: Mapping[str, int], temperature: float) -> dict[str, Fraction]:
    """Shares in proportion to size ** (1 / temperature): 1 leaves sizes as they are, a higher one evens them out.

    Source: Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer (T5),
    section 3.5.2, "temperature-scaled mixing".
    """
    if temperature == 1:
        return {value: Fraction(size) for value, size in sizes.items()}
    largest = max(sizes.values(), default=0) or 1  # shares of it, since powers of counts overflow
    # Powers differ between machines in their last digits; what depends on them must not.
    return {value: Fraction(f"{(size / largest) ** (1 / temperature):.12g}") for value, size in sizes.items()}


def divided(total: int, shares: Shares) -> dict[str, int]:
    """Whole numbers that sum to `total`, in proportion to the shares, by largest remainders.

    Each is its exact part rounded up or down; of equal remainders the larger share comes first, then the name.
    All are 0 where no share is above 0.
    """
    whole = sum(shares.values())
    if not whole:
        return dict.fromkeys(shares, 0)
    exact = {value: total * share / whole for value, share in shares.items()}
    given = {value: int(part) for value, part in exact.items()}
    left = total - sum(given.values())
    for value in sorted(shares, key=lambda v: (given[v] - exact[v], -shares[v], v))[:left]:
        given[value] += 1
    return given


def most(available: Mapping[str, int], shares: Shares) -> int:
    """The largest total of which no value is given more than is available of it."""
    wanted = [value for value, share in shares.items() if share]
    if not wanted:
        return 0
    scale = min(available[value] / shares[value] for value in wanted)
    return int(scale * sum(shares.values()))
