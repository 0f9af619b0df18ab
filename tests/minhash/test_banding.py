from fractions import Fraction
from math import comb

import hypothesis.strategies as st
import pytest
from hypothesis import given

from instructkit.minhash.banding import Banding, banding, bits_apart, catch_probability


def exact(similarity, bands, rows):
    return 1 - (1 - Fraction(similarity) ** rows) ** bands


@given(st.floats(0, 1), st.integers(1, 60), st.integers(1, 20))
def test_the_s_curve_is_its_formula(similarity, bands, rows):
    assert catch_probability(similarity, bands, rows) == pytest.approx(float(exact(similarity, bands, rows)), abs=1e-12)
    assert Banding(bands, rows).catch_probability(similarity) == catch_probability(similarity, bands, rows)


def test_the_example_of_the_docstrings():
    assert catch_probability(0.8, 14, 8) == pytest.approx(0.924, abs=5e-4)
    assert banding(0.8, 144, 0.99)[:2] == (20, 7)
    assert bits_apart(0.8, 128, 1e-5) == 29


@given(st.floats(0.05, 1), st.integers(1, 256), st.floats(0.01, 0.9999))
def test_a_banding_reaches_the_recall_with_as_few_bands_and_as_many_rows_as_can(threshold, num_perm, recall):
    chosen = banding(threshold, num_perm, recall)

    def finds(bands, rows):
        return catch_probability(threshold, bands, rows) * (1 - 0.05 * (1 - recall)) >= recall

    can = [rows for rows in range(1, num_perm + 1) if finds(num_perm // rows, rows)]
    if chosen is None:
        assert not can
        return
    assert chosen.rows == max(can)
    assert chosen.num_perm <= num_perm
    assert chosen.recall(threshold) >= recall
    assert chosen.bands == 1 or not finds(chosen.bands - 1, chosen.rows)


def test_recall_beyond_the_permutations_is_no_banding():
    assert banding(0.1, 4, 0.99) is None
    assert banding(0.1, 45, 0.99)[:2] == (45, 1)


@pytest.mark.parametrize("allowed", [1e-5, 5e-4])
@pytest.mark.parametrize("bits", [1, 12, 64, 100, 128])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_as_many_bits_may_differ_as_the_binomial_says(threshold, bits, allowed):
    differs = (1 - Fraction(threshold)) / 2
    apart = bits_apart(threshold, bits, allowed)

    def missed(most):
        return sum(comb(bits, k) * differs**k * (1 - differs) ** (bits - k) for k in range(most + 1, bits + 1))

    assert missed(apart) <= allowed
    assert apart == 0 or missed(apart - 1) > allowed
