"""What may stand in two splits, and how alike it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from instructkit.audit.common_text import COMMON, IGNORE, SEQUENCE
from instructkit.minhash.banding import Banding, banding
from instructkit.minhash.sketcher import Sketcher

Observer = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many (0: nobody knows)."""

SAME_CONVERSATION, SAME_PROMPT, SAME_EXCHANGE = "same_conversation", "same_prompt", "same_exchange"
NEAR_CONVERSATION, NEAR_PROMPT, SAME_ANSWER = "near_conversation", "near_prompt", "same_answer"
SHARED_TEXT = "shared_text"
KINDS = (SAME_CONVERSATION, SAME_PROMPT, SAME_EXCHANGE, NEAR_CONVERSATION, NEAR_PROMPT, SAME_ANSWER, SHARED_TEXT)
"""What may stand in two splits, the strongest first."""

SHINGLE = SEQUENCE
RECALL = 0.99
NUM_PERM = 256
OWN_WORDS = 10
"""A text with fewer words of its own is compared as a whole only: so few shingles say little."""
LONG_WORDS = 30
"""A text of so many words and more of which fewer than `OWN_WORDS` are its own is masked by what is like it."""
ANSWER_WORDS = 20
"""A shorter answer may be the same by chance, or is a label."""
COMMON_ANSWERS = 10
"""Different prompts from which on an answer is a phrase (a refusal, a greeting) and its rows are counted apart."""

PLACES = pl.Schema(
    {"kind": pl.String(), "left": pl.Int64(), "right": pl.Int64(), "similarity": pl.Float64(), "split": pl.Int64()}
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How alike is alike, and what is common."""

    threshold: float = 0.8
    """Jaccard similarity of word 5-grams from which on two texts are near-duplicates."""
    common: int = COMMON
    """See `CommonText`."""

    @property
    def shared_common(self) -> int:
        """The same where only a part of two texts is shared: fewer, since that is what rows of a template share too.

        At 20 a passage with fewer questions than that is still its rows' own, and a template with more rows is not.
        """
        return max(2, self.common * 2 // 5)

    @property
    def banding(self) -> Banding:
        """The strictest banding that finds a pair at the threshold with probability `RECALL`."""
        found = banding(self.threshold, NUM_PERM, RECALL)
        if found is None:  # of a low threshold: as wide as so many permutations can be
            return Banding(NUM_PERM // 2, 2)
        return found

    @property
    def sketcher(self) -> Sketcher:
        """The sketcher with these settings."""
        return Sketcher(unit="words", shingle=SHINGLE, ignore=IGNORE, seed=0, **self.banding._asdict())
