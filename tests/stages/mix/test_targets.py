from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.stages.mix.targets import divided, most, proportional, weighted

shares = st.dictionaries(st.text(max_size=2), st.integers(0, 50).map(Fraction), min_size=1, max_size=6)


@given(st.integers(0, 1000), shares)
def test_parts_sum_to_the_total_and_each_is_its_exact_part_rounded(total, shares):
    whole = sum(shares.values())
    given = divided(total, shares)
    assert given.keys() == shares.keys()
    assert sum(given.values()) == (total if whole else 0)
    if whole:
        assert all(abs(given[value] - total * share / whole) < 1 for value, share in shares.items())
        assert all(given[value] == 0 for value, share in shares.items() if not share)


@given(st.integers(0, 1000), shares, st.randoms())
def test_parts_do_not_depend_on_the_order_of_the_shares(total, shares, random):
    shuffled = list(shares.items())
    random.shuffle(shuffled)
    assert divided(total, dict(shuffled)) == divided(total, shares)


@given(shares, st.data())
def test_the_most_is_what_fits_and_one_more_is_not(shares, data):
    available = {value: data.draw(st.integers(0, 40)) for value in shares}
    total = most(available, shares)
    assert all(part <= available[value] for value, part in divided(total, shares).items())
    whole = sum(shares.values())
    if whole:
        assert any((total + 1) * share > available[value] * whole for value, share in shares.items())


def test_equal_remainders_go_to_the_larger_share_and_then_by_name():
    assert divided(10, weighted({"alpaca": 1, "squad": 3})) == {"squad": 8, "alpaca": 2}
    assert divided(1, weighted({"b": 1, "a": 1})) == {"a": 1, "b": 0}


def test_weights_are_taken_as_they_are_written():
    assert weighted({"a": 0.1, "b": 0.2, "c": 0.7}) == {"a": Fraction(1, 10), "b": Fraction(1, 5), "c": Fraction(7, 10)}


def test_temperature_evens_out_sizes():
    sizes = {"large": 10_000, "small": 100}
    assert proportional(sizes, 1) == sizes
    warm = proportional(sizes, 2)
    assert warm["large"] / warm["small"] == 10
    hot = proportional(sizes, 1e9)
    assert float(hot["large"] / hot["small"]) == pytest.approx(1, abs=1e-6)
    cold = proportional(sizes, 0.5)
    assert cold["large"] / cold["small"] == 10_000
    assert proportional(sizes, 0.001) == {"large": 1, "small": 0}, "the power itself is no floating-point number"
    assert proportional({"none": 0}, 2) == {"none": 0}
