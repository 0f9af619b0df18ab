"""How far a number would move on other examples: bootstrap intervals of anything computed from sums over examples.

    statistics   [n, k]   what each example adds: (weighted loss, weight), or counts of hits, of n-grams, …
    groups       [n]      examples of one document share a group and are drawn together: they are not independent
    value        [..., k] -> [..., m]    sums to measures: a ratio, a BLEU score, a macro F1

A resample draws as many groups as there are, with replacement, and takes the value of its sums: the ratio of sums,
never a mean of ratios. Two models are compared on the same resamples.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals (chapter 13), resampling the
unit that is independent (section 8.3); paired resampling in evaluation: Koehn 2004, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Value = Callable[[Floats], Floats]

RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_GROUPS = 5
"""Percentiles of resamples of fewer groups say nothing: of 4 groups there are but 35 different resamples."""
_BLOCK = 1 << 22
"""Draws at a time."""


class Estimate(NamedTuple):
    """m measures; NaN where one is not defined."""

    value: Floats
    low: Floats
    """[m] NaN where there are too few groups for an interval, or resamples all agree."""
    high: Floats


def estimate(statistics: Floats, groups: npt.NDArray[np.int64], value: Value, seed: int = 0) -> Estimate:
    """Values of the sums over all examples, with 95 % intervals. `groups` holds numbers from 0."""
    sums = group_sums(statistics, groups)
    whole = value(sums.sum(0))
    if len(sums) < FEWEST_GROUPS:
        return Estimate(whole, *(np.full_like(whole, np.nan),) * 2)
    drawn = value(resampled(sums, seed))
    low, high = np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    # A resample can leave a measure undefined (no weight drawn); where most do, there is no interval.
    defined = np.isfinite(drawn).sum(0) * 2 > len(drawn)
    if defined.any():
        tail = 100 * (1 - CONFIDENCE) / 2
        low[defined], high[defined] = np.nanpercentile(drawn[:, defined], [tail, 100 - tail], axis=0)
    # Where all resamples agree (0 of 20 right), they say nothing of what other examples would give.
    same = low == high
    low[same] = high[same] = np.nan
    return Estimate(whole, low, high)


def paired(before: Floats, after: Floats, groups: npt.NDArray[np.int64], value: Value, seed: int = 0) -> Estimate:
    """After - before, with intervals: both on the same examples, and so on the same resamples."""
    split = before.shape[1]

    def change(sums: Floats) -> Floats:
        return value(sums[..., split:]) - value(sums[..., :split])

    return estimate(np.hstack([before, after]), groups, change, seed)


def group_sums(statistics: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """[groups, k]: the statistics of each group's examples, summed."""
    sums = np.zeros((int(groups.max()) + 1 if len(groups) else 0, statistics.shape[1]))
    np.add.at(sums, groups, statistics)
    return sums


def resampled(sums: Floats, seed: int) -> Floats:
    """[RESAMPLES, k]: sums over as many groups as there are, drawn with replacement."""
    count = len(sums)
    random = np.random.default_rng(seed)
    drawn = []
    rows = max(1, _BLOCK // count)
    for start in range(0, RESAMPLES, rows):
        block = min(rows, RESAMPLES - start)
        picks = random.integers(count, size=(block, count)) + np.arange(block)[:, None] * count
        times = np.bincount(picks.ravel(), minlength=block * count).reshape(block, count)
        drawn.append(times @ sums)
    return np.concatenate(drawn)


def numbered(names: list[str]) -> npt.NDArray[np.int64]:
    """Groups as numbers from 0, in the order of their names, so that resamples depend on no order of the examples."""
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def ratio(sums: Floats) -> Floats:
    """[..., 2k] -> [..., k]: the first half by the second; NaN where that is 0."""
    half = sums.shape[-1] // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., half:] > 0, sums[..., :half] / sums[..., half:], np.nan)
