"""What an n-gram says: all where it is rare, nothing where it is common.

    groups of the corpus that have it, or rows of the evaluation      weight
    1                                                                 1
    some                                                              1 - log(some) / log(common)
    as many as are common, or more                                    0

Text that many records share for other reasons than a leak (templates, system prompts, identities, licences) has no
weight, and so neither brings a record near a row nor keeps it away. A group counts once, so that what many templates
make of one document is not common for it. What leaked into many groups looks the same: long prompts that stand in a
record word for word are found whatever they weigh (see `matches.VERBATIM_WORDS`). The form is the inverse document
frequency of retrieval (K. Sparck Jones, A statistical interpretation of term specificity, 1972), brought to 0 where it
says nothing any more; allenai/decon weighs by the evaluation's frequencies alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.contamination.index import Index

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COMMON_GROUPS = 20
"""An n-gram of fewer groups, or rows of the evaluation, is never common: in small data a share is a handful."""
HITS_AT_ONCE = 20_000_000
"""Whose groups are counted together: some 40 bytes each meanwhile."""
COMMON_ROWS = 0.01
"""Share of the evaluation's rows from which on an n-gram is the evaluation's own wording."""


def weights(index: Index, groups_with: Ints, groups: int, common: float) -> Floats:
    """The weight of each n-gram, from 0 to 1, shape (n-grams,).

    `groups_with`: groups of the corpus that have each n-gram, shape (n-grams,). `groups`: how many there are.
    `common`: share of them from which on an n-gram says nothing.
    """
    ours = _weight(groups_with, max(COMMON_GROUPS, common * groups))
    return np.minimum(ours, weights_in_rows(index))


def weights_in_rows(index: Index) -> Floats:
    """The weight of each n-gram by the rows of the evaluation alone, shape (n-grams,)."""
    return _weight(index.frequency, max(COMMON_GROUPS, COMMON_ROWS * index.rows.height))


def groups_with(pairs: pl.LazyFrame, hits: int, count: int) -> Ints:
    """Groups that have each of `count` n-grams, shape (count,).

    `pairs`: `gram` and `group` of each of so many hits. Where there are very many, n-grams are counted in turns.
    """
    result = np.zeros(count, dtype=np.int64)
    passes = hits // HITS_AT_ONCE + 1
    for each in range(passes):
        some = pairs.filter(pl.col("gram") % passes == each).unique()
        counted = some.group_by("gram").len().collect(engine="streaming")
        result[counted["gram"].to_numpy()] = counted["len"].to_numpy()
    return result


def _weight(frequency: Ints, common: float) -> Floats:
    weight: Floats = np.clip(1 - np.log(np.maximum(frequency, 1)) / np.log(common), 0, 1)
    return weight
