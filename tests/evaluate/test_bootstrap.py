import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.evaluate.bootstrap import estimate, numbered, paired, ratio


def losses(count, seed=0):
    """[n, 2]: weighted losses and weights of unequal size."""
    random = np.random.default_rng(seed)
    weights = random.integers(1, 40, count).astype(float)
    return np.stack([weights * random.normal(2.0, 0.5, count), weights], axis=1)


def test_the_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(3).normal(5.0, 2.0, 400)
    found = estimate(np.stack([values, np.ones(400)], axis=1), np.arange(400), ratio)
    error = 1.96 * values.std(ddof=1) / 20
    assert found.value[0] == pytest.approx(values.mean())
    assert found.low[0] == pytest.approx(values.mean() - error, abs=0.15 * error)
    assert found.high[0] == pytest.approx(values.mean() + error, abs=0.15 * error)


def test_the_value_is_the_ratio_of_sums_not_a_mean_of_ratios():
    statistics = losses(50)
    found = estimate(statistics, np.arange(50), ratio)
    assert found.value[0] == pytest.approx(statistics[:, 0].sum() / statistics[:, 1].sum())
    assert found.value[0] != pytest.approx((statistics[:, 0] / statistics[:, 1]).mean(), rel=1e-4)


def test_examples_of_one_group_are_drawn_together():
    statistics = losses(60)
    alone = estimate(statistics, np.arange(60), ratio)
    # Ten renderings of each document are no ten documents: the interval is that of the documents.
    tenfold = estimate(np.repeat(statistics, 10, axis=0), np.repeat(np.arange(60), 10), ratio)
    assert (tenfold.low, tenfold.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    as_if_independent = estimate(np.repeat(statistics, 10, axis=0), np.arange(600), ratio)
    assert as_if_independent.high - as_if_independent.low < (alone.high - alone.low) / 2


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)), st.integers(0, 1000))
def test_the_order_of_examples_changes_nothing(order, seed):
    statistics, groups = losses(30, seed), [f"g{i // 2}" for i in range(30)]
    first = estimate(statistics, numbered(groups), ratio)
    again = estimate(statistics[order], numbered([groups[i] for i in order]), ratio)
    np.testing.assert_allclose(np.stack(first), np.stack(again), rtol=1e-12)


def test_few_groups_have_no_interval():
    found = estimate(losses(40), np.arange(40) % 4, ratio)
    assert np.isfinite(found.value[0])
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_where_all_agree_nothing_is_claimed():
    never = np.stack([np.zeros(20), np.ones(20)], axis=1)
    found = estimate(never, np.arange(20), ratio)
    assert found.value[0] == 0
    assert np.isnan(found.low[0])


def test_no_examples_give_no_value():
    found = estimate(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), ratio)
    assert np.isnan(found.value[0])
    assert np.isnan(found.low[0])


def test_a_paired_difference_is_surer_than_two_intervals():
    first = losses(100)
    gains = np.random.default_rng(1).normal(0.05, 0.02, 100)
    last = np.stack([first[:, 0] - gains * first[:, 1], first[:, 1]], axis=1)
    groups = np.arange(100)
    difference = paired(first, last, groups, ratio)
    alone = estimate(first, groups, ratio)
    assert difference.low[0] < -0.05 < difference.high[0] < 0
    assert (difference.high - difference.low)[0] < (alone.high - alone.low)[0] / 5


def test_many_groups_are_drawn_in_blocks_like_few(monkeypatch):
    import instructkit.evaluate.bootstrap as module

    statistics = losses(50)
    whole = module.resampled(statistics, 7)
    monkeypatch.setattr(module, "_BLOCK", 50 * 64)
    np.testing.assert_allclose(module.resampled(statistics, 7), whole)
