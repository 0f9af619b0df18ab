"""How a step is cut into micro-batches, and over ranks; and how large they may be.

    a step of 6 rows, 2 rows a micro-batch, 2 ranks

    rank 0    rows 0 1    rows 4        every rank does as many micro-batches as the others,
    rank 1    rows 2 3    rows 5        if need be with one that counts for nothing

The gradients are the same for every cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from instructkit.models.batch import Layout, groups
from instructkit.train.data.plan import Indices

CPU_TOKENS = 1024
"""Tokens of a micro-batch on a CPU, where more need more memory and gain little: a Llama of 25 million parameters makes
1,390, 1,520 and 1,550 tokens/s with 1,024, 2,048 and 4,096, at a peak of 1.5, 1.9 and 2.6 GB."""
USED_MEMORY = 0.85
"""Share of a GPU's free memory that micro-batches may fill; the rest is lost between blocks of odd sizes."""


def cut(
    rows: Sequence[Indices], lengths: Indices, layout: Layout, *, size: int, capacity: int, ranks: int
) -> list[Indices]:
    """The documents of each micro-batch of a step; number i is for rank i % ranks.

    At most `size` rows each; where rows are not packed, at most as many cells as `size` rows of `capacity` tokens.
    """
    share = -(-len(rows) // ranks)  # rows of the busiest rank
    if layout == "packed":
        count = -(-share // size) * ranks
        parts = np.array_split(np.arange(len(rows)), count)
        return [np.concatenate([rows[i] for i in part]) for part in parts if len(part)]
    documents = np.concatenate(list(rows))
    found = groups(lengths[documents].tolist(), min(size, share) * capacity, layout)
    return [documents[group] for group in found]


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory for a tensor or an array."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in said or "not enough memory" in said)


def rows_that_fit(free: int, used: Callable[[int], int], most: int) -> int:
    """Rows of a micro-batch for `free` bytes, at most `most`. `used(rows)`: bytes of their forward and backward.

    A second row costs what every further one does; the first costs something of its own as well. Rows that do not fit
    may raise what `out_of_memory` knows.
    """
    try:
        one = used(1)
        if most == 1:
            return 1
        each = max(1, used(2) - one)
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            return 1
        raise
    return max(1, min(most, 1 + int((free * USED_MEMORY - one) / each)))
