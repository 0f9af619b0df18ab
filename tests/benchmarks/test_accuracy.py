"""Recall, precision and loss, told from what was kept."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dedupe.accuracy import accuracy, components

#   0 ── 1 ── 2     3 ── 4     5     6 ∙∙ 7 (0.75)
PAIRS = pl.DataFrame(
    {
        "a": [0, 1, 3, 6],
        "b": [1, 2, 4, 7],
        "similarity": [0.9, 0.8, 1.0, 0.75],
        "planted": [True, False, True, True],
    }
)


def told(dropped, threshold=0.8):
    kept = np.ones(8, dtype=bool)
    kept[dropped] = False
    return accuracy(kept, PAIRS, threshold)


def test_one_of_each_group_kept_is_perfect():
    result = told([1, 2, 4])
    assert (result.recall, result.precision, result.lost, result.kept) == (1, 1, 0, 5)


def test_the_middle_of_a_chain_resolves_both_pairs():
    assert told([1, 3]).recall == 1


def test_the_recall_of_planted_pairs_is_told_apart():
    assert told([2]).planted == 0
    assert told([0]).planted == 0.5
    assert told([0, 3]).planted == 1


def test_nothing_dropped_finds_nothing_and_errs_in_nothing():
    result = told([])
    assert (result.recall, result.precision, result.lost) == (0, 1, 0)


def test_a_document_without_duplicates_that_is_dropped_is_an_error_and_lost():
    result = told([4, 5])
    assert (result.precision, result.lost) == (0.5, 1)
    assert result.recall == pytest.approx(1 / 3)


def test_a_group_of_which_nothing_is_kept_is_lost_though_each_drop_has_a_true_pair():
    result = told([3, 4])
    assert (result.precision, result.lost) == (1, 1)


def test_a_pair_below_the_threshold_is_none():
    assert told([7]).precision == 0
    assert told([7], threshold=0.7).precision == 1


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_components_are_those_of_a_walk(edges):
    a, b = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    groups = {i: {i} for i in range(20)}
    for x, y in edges:
        both = groups[x] | groups[y]
        groups.update(dict.fromkeys(both, both))
    assert components(20, a, b).tolist() == [min(groups[i]) for i in range(20)]
