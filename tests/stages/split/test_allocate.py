import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.stages.split.allocate import FREED_FIRST, Unreachable, around_circles, by_place, exactly

sizes = st.lists(st.integers(1, 9), max_size=8) | st.lists(st.sampled_from([4, 6, 10]), max_size=8)


def sums(sizes):
    return {sum(some) for n in range(len(sizes) + 1) for some in itertools.combinations(sizes, n)}


@given(sizes, st.integers(0, 40))
def test_a_number_that_groups_can_have_is_met_and_of_any_other_the_nearest_are_named(sizes, target):
    every, given = sums(sizes), np.array(sizes, dtype=np.int64)
    if target in every:
        assert given[exactly(given, target)].sum() == target
        return
    with pytest.raises(Unreachable) as error:
        exactly(given, target)
    assert error.value.below == max(each for each in every if each < target)
    assert error.value.above == min((each for each in every if each > target), default=None)


def test_the_first_groups_are_taken_as_long_as_they_fit():
    assert exactly(np.array([3, 1, 2, 1, 5]), 6).tolist() == [True, True, True, False, False]
    assert exactly(np.array([3, 9, 2, 1]), 6).tolist() == [True, False, True, True]


def test_few_of_the_first_are_given_back_to_close_a_gap():
    sizes = np.array([2] * 500 + [3] * 10 + [2] * 500)
    taken = exactly(sizes, 999)
    assert sizes[taken].sum() == 999
    assert taken[: 499 - FREED_FIRST].all()


def test_a_gap_that_only_the_very_first_can_close_is_closed():
    sizes = np.array([4] + [6] * 100 + [5])
    assert sizes[exactly(sizes, 605)].sum() == 605
    assert sizes[exactly(sizes, 600)].sum() == 600


def test_a_million_groups_are_no_burden():
    sizes = np.full(1_000_000, 2)
    sizes[::1000] = np.arange(3, 1003)
    taken = exactly(sizes, 100_001)
    assert sizes[taken].sum() == 100_001


def test_places_fall_into_the_intervals_of_their_shares():
    places = np.array([0.0, 0.79, 0.8, 0.89, 0.9, 1 - 2**-53])
    assert by_place(places, (0.8, 0.1, 0.1)).tolist() == [0, 0, 1, 1, 2, 2]
    assert by_place(places, (0.5, 0.5, 0.0)).tolist() == [0, 1, 1, 1, 1, 1]
    assert by_place(places, (0.0, 0.0, 1.0)).tolist() == [2] * 6
    assert by_place(places, (1 / 3, 1 / 3, 1 / 3 - 1e-12))[-1] == 2


points = st.floats(0, 1, exclude_max=True)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), points), min_size=1, max_size=30),
    st.lists(points, min_size=3, max_size=3),
    st.floats(0, 1),
)
def test_an_interval_holds_its_share_of_each_circle_to_within_the_largest_group(groups, offsets, end):
    strata, sizes, places = (np.array(column) for column in zip(*groups, strict=True))
    found = around_circles(strata, places, sizes, np.array(offsets))
    assert ((found >= 0) & (found < 1)).all()
    for stratum in set(strata.tolist()):
        here = strata == stratum
        inside = sizes[here & (found < end)].sum()
        assert abs(inside - end * sizes[here].sum()) <= sizes[here].max() + 1e-6
