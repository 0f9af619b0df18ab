from itertools import combinations
from unittest.mock import patch

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from instructkit.minhash import buckets
from instructkit.minhash.buckets import ALL_PAIRS_UP_TO, HUBS, NEIGHBOURS, candidate_pairs, packed, runs, unpacked


def spread(values):
    """Band hashes that differ in their upper bits."""
    return np.array(values, np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def all_of(pairs):
    return pairs


def found(bands, units=None, plausible=all_of, among=None):
    count = len(bands[0])
    units = np.ones(count, np.uint32) if units is None else np.array(units, np.uint32)
    pairs = candidate_pairs(map(spread, bands), units, plausible, among)
    left, right = unpacked(pairs)
    assert (left < right).all()
    assert (pairs[1:] > pairs[:-1]).all()
    return list(zip(left.tolist(), right.tolist(), strict=True))


@given(st.data(), st.integers(0, 40), st.integers(1, 4), st.integers(1, 20))
def test_rows_that_share_a_hash_in_a_band_are_candidates_and_no_others(data, rows, bands, kinds):
    values = st.lists(st.integers(0, kinds), min_size=rows, max_size=rows)
    bands = data.draw(st.lists(values, min_size=bands, max_size=bands))
    expected = [(i, j) for i, j in combinations(range(rows), 2) if any(b[i] == b[j] for b in bands)]
    assert found(bands) == expected


def test_all_pairs_of_a_bucket_up_to_its_bound_and_fewer_beyond():
    assert len(found([[7] * ALL_PAIRS_UP_TO])) == ALL_PAIRS_UP_TO * (ALL_PAIRS_UP_TO - 1) // 2
    more = ALL_PAIRS_UP_TO + 1
    assert len(found([[7] * more])) < more * (HUBS + NEIGHBOURS)


@pytest.mark.parametrize("rows", [129, 1000, 20_000])
def test_work_in_a_large_bucket_grows_with_its_rows(rows):
    pairs = found([[3] * rows] * 2, units=np.arange(rows) * 7919 % 1009)
    assert rows * (HUBS + NEIGHBOURS) * 0.8 < len(pairs) < rows * (HUBS + NEIGHBOURS)


def test_a_large_bucket_pairs_each_row_with_hubs_and_with_its_neighbours_in_length():
    rows = 512
    units = np.arange(rows) * 37 % 499
    pairs = set(found([[3] * rows], units=units))
    degrees = np.bincount([row for pair in pairs for row in pair])
    order = sorted(range(rows), key=lambda row: (units[row], row))
    for at in range(0, rows, rows // HUBS):
        assert (degrees[order[at : at + rows // HUBS]] == rows - 1).sum() == 1
    for place, row in enumerate(order):
        for other in order[place + 1 : place + 1 + NEIGHBOURS]:
            assert (min(row, other), max(row, other)) in pairs


def test_bands_that_share_nearly_all_of_a_large_bucket_add_little_work():
    random = np.random.RandomState(0)
    rows = 3000
    once = len(found([[1] * rows]))
    bands = [np.where(random.rand(rows) < 0.9, 0, np.arange(1, rows + 1)).tolist() for _ in range(26)]
    assert len(found(bands)) < 3 * once


def test_a_large_bucket_does_not_change_those_beside_it():
    values = [1] * 200 + [2, 3, 2, 3, 2, 4]
    pairs = found([values])
    assert [p for p in pairs if p[1] >= 200] == [(200, 202), (200, 204), (201, 203), (202, 204)]


def test_what_is_not_plausible_is_no_candidate():
    def even(pairs):
        left, right = unpacked(pairs)
        return pairs[(left + right) % 2 == 0]

    assert found([[5] * 5], plausible=even) == [(0, 2), (0, 4), (1, 3), (2, 4)]


@pytest.mark.parametrize("rows", [60, 600])
def test_rows_that_are_not_among_those_looked_at_are_as_if_they_were_not_there(rows):
    random = np.random.RandomState(0)
    bands = [random.randint(0, 3, rows) for _ in range(2)]
    among = random.rand(rows) < 0.7
    pairs = found(bands, among=among)
    assert pairs
    assert among[np.array(pairs)].all()
    if rows == 60:
        assert pairs == [(i, j) for i, j in found(bands) if among[i] and among[j]]


def test_candidates_do_not_depend_on_how_many_are_gathered_at_once(monkeypatch):
    random = np.random.RandomState(0)
    bands = [random.randint(0, 40, 400).tolist() for _ in range(3)] + [[1] * 400]
    units = random.randint(1, 9, 400)
    expected = found(bands, units)
    monkeypatch.setattr(buckets, "PAIRS_AT_ONCE", 50)
    assert found(bands, units) == expected
    assert found(bands[::-1], units) == expected


@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60),
    some=st.booleans(),
    at_once=st.integers(1, 9),
)
def test_runs_are_the_rows_of_each_hash_that_has_several(rows, some, at_once):
    values = [value for value, _ in rows]
    among = np.array([here or not some for _, here in rows], np.bool_)
    with patch.object(buckets, "ROWS_AT_ONCE", at_once):
        members, starts, sizes = runs(spread(values), among if some else None)
    together = [tuple(members[a : a + n].tolist()) for a, n in zip(starts, sizes, strict=True)]
    expected = {tuple(i for i, v in enumerate(values) if v == kind and among[i]) for kind in values}
    assert {run for run in expected if len(run) > 1} == {*together}
    assert len(together) == len({*together})
    assert sizes.sum() == len(members)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=20))
def test_packing_orders_a_pair_and_unpacking_gives_it_back(pairs):
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    low, high = unpacked(packed(left, right))
    assert low.tolist() == [min(p) for p in pairs]
    assert high.tolist() == [max(p) for p in pairs]
