import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.train.data.plan import epoch_examples, make_plan, pack

lengths = st.lists(st.integers(1, 64), max_size=300).map(lambda x: np.array(x, dtype=np.int64))


def chat_lengths(count=20_000):
    """Lengths as chats have them: log-normal, median 200 tokens."""
    return np.clip(np.random.default_rng(0).lognormal(5.3, 0.8, count), 12, 2048).astype(np.int64)


def plan(n=100, **fields):
    sizes = np.random.default_rng(1).integers(1, 60, n)
    given = {"capacity": 64, "rows_per_step": 3, "epochs": 1.0, "max_steps": None, "seed": 0}
    return make_plan(sizes, np.ones(n), **{**given, **fields})


@settings(deadline=None)
@given(lengths=lengths, seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_law_every_example_stands_in_exactly_one_row_and_no_row_overflows(lengths, seed, epoch):
    rows = pack(lengths, 64, seed, epoch)
    assert sorted(i for row in rows for i in row.tolist()) == list(range(len(lengths)))
    assert all(1 <= lengths[row].sum() <= 64 for row in rows)


def test_rows_of_chats_are_at_least_98_percent_full():
    sizes = chat_lengths()
    assert sizes.sum() / (2048 * len(pack(sizes, 2048, 0, 0))) > 0.98


def test_packing_is_a_pure_function_that_depends_on_seed_and_epoch():
    def order(seed, epoch):
        return [i for row in pack(chat_lengths(500), 2048, seed, epoch) for i in row.tolist()]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1) != order(1, 0)


def test_a_length_beyond_the_capacity_is_refused():
    with pytest.raises(ValueError, match="3 to 65 do not fit rows of 64"):
        pack(np.array([3, 65]), 64, 0, 0)


def test_each_epoch_holds_every_example_once_in_another_order():
    two = plan(epochs=2.0)
    flat = [i for row in two.rows for i in row.tolist()]
    assert sorted(flat) == sorted([*range(100), *range(100)])
    assert flat[:100] != flat[100:]


def test_steps_cover_the_rows_in_order_without_gap():
    given_plan = plan()
    steps = [row.tolist() for n in range(given_plan.steps) for row in given_plan.step(n)]
    assert steps == [row.tolist() for row in given_plan.rows]
    assert given_plan.step(given_plan.steps) == []


def test_max_steps_keeps_the_beginning():
    whole, cut = plan(epochs=3.0), plan(epochs=3.0, max_steps=4)
    assert cut.steps == 4
    assert [r.tolist() for r in cut.rows] == [r.tolist() for r in whole.rows[:12]]


def test_half_an_epoch_is_half_of_the_rows():
    assert len(plan(epochs=0.5).rows) == round(len(plan().rows) / 2)


@given(seed=st.integers(0, 20))
def test_repeats_are_kept_over_epochs(seed):
    repeats = np.array([1.0, 0.0, 2.5, 0.25])
    counts = sum(np.bincount(epoch_examples(repeats, seed, e), minlength=4) for e in range(40))
    assert counts[0] == 40
    assert counts[1] == 0
    assert 80 <= counts[2] <= 120
    assert counts[2] not in (80, 120)
    assert 0 < counts[3] < 25
