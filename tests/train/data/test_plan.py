import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.train.data.plan import best_fit, draws, epoch_rows, example_keys, figures, make_plan, times_in_epoch

lengths = st.lists(st.integers(1, 64), max_size=300).map(lambda x: np.array(x, dtype=np.int64))


def log_normal(median, sigma, count=4000, longest=2048, seed=0):
    """Lengths as chats have them."""
    drawn = np.random.default_rng(seed).lognormal(np.log(median), sigma, count)
    return np.clip(drawn, 8, longest).astype(np.int64)


def plan(n=100, ids=None, **fields):
    sizes = np.random.default_rng(1).integers(1, 60, n)
    given = {"capacity": 64, "rows_per_step": 3, "epochs": 1.0, "max_steps": None, "seed": 0, "repeats": np.ones(n)}
    given |= {"keys": example_keys(ids) if ids else None, **fields}
    return make_plan(sizes, given.pop("repeats"), **given)


def as_lists(rows):
    return [row.tolist() for row in rows]


def least_rows(sizes, capacity):
    """No packing has fewer rows (Martello and Toth 1990, bound L2; and of a (1/p)th at most p - 1 share a row)."""
    best = -(-int(sizes.sum()) // capacity)
    for k in {0, *sizes[sizes <= capacity // 2].tolist()}:
        alone = sizes > capacity - k
        large = ~alone & (sizes > capacity / 2)
        small = (sizes <= capacity / 2) & (sizes >= k)
        room = int(large.sum()) * capacity - int(sizes[large].sum())
        best = max(best, int((alone | large).sum()) + max(0, -(-(int(sizes[small].sum()) - room) // capacity)))
    return max(best, *(-(-int((sizes > capacity / p).sum()) // (p - 1)) for p in (3, 4, 5)))


@settings(deadline=None)
@given(lengths=lengths, seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_law_every_example_stands_in_exactly_one_row_and_no_row_overflows(lengths, seed, epoch):
    ids = example_keys(map(str, range(len(lengths))))
    rows = epoch_rows(lengths, np.ones(len(lengths)), ids, 64, seed, epoch)
    assert sorted(rows.examples.tolist()) == list(range(len(lengths)))
    sums = [lengths[rows.examples[a:b]].sum() for a, b in zip(rows.starts, rows.starts[1:], strict=False)]
    assert all(1 <= total <= 64 for total in sums)


@settings(deadline=None)
@given(repeats=st.lists(st.floats(0, 4), min_size=1, max_size=20), seed=st.integers(0, 9), epochs=st.integers(1, 12))
def test_law_an_example_comes_up_as_often_as_its_repeats_say(repeats, seed, epochs):
    repeats = np.array(repeats)
    keys = example_keys(map(str, range(len(repeats))))
    times = sum(times_in_epoch(repeats, keys, seed, epoch) for epoch in range(epochs))
    assert (np.abs(times - epochs * repeats) < 1 + 1e-6).all()


def test_a_share_of_the_examples_with_half_a_repeat_comes_up_in_each_epoch():
    keys = example_keys(map(str, range(4000)))
    first, second = (times_in_epoch(np.full(4000, 0.5), keys, 0, epoch) for epoch in (0, 1))
    assert 0.47 < first.mean() < 0.53
    assert (first + second == 1).all()


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(60)), repeats=st.sampled_from([1.0, 2.0, 0.5]))
def test_law_where_an_example_lies_in_the_shards_changes_nothing(order, repeats):
    sizes = np.random.default_rng(3).integers(1, 60, 60)
    ids = [f"news-{i}/qa/open" for i in range(60)]
    settings = {"capacity": 64, "rows_per_step": 3, "epochs": 1.5, "max_steps": None, "seed": 0}
    here = make_plan(sizes, np.full(60, repeats), keys=example_keys(ids), **settings)
    moved = [ids[i] for i in order]
    there = make_plan(sizes[list(order)], np.full(60, repeats), keys=example_keys(moved), **settings)
    assert [[ids[i] for i in row] for row in here.rows] == [[moved[i] for i in row] for row in there.rows]


@settings(deadline=None, max_examples=25)
@given(median=st.floats(40, 250), sigma=st.floats(0.25, 1.0), seed=st.integers(0, 99))
def test_rows_of_chats_are_at_least_98_percent_full(median, sigma, seed):
    """Alpaca in Llama's tokens: about 100 and 0.6; GSM8K: 180 and 0.35; longer chats have more of a tail."""
    sizes = log_normal(median, sigma, seed=seed)
    packed = epoch_rows(sizes, np.ones(len(sizes)), example_keys(map(str, range(len(sizes)))), 2048, seed, 0)
    assert sizes.sum() >= 0.98 * 2048 * (len(packed.starts) - 1)


@settings(deadline=None, max_examples=15)
@given(median=st.floats(300, 1500), sigma=st.floats(0.25, 1.2), second=st.floats(200, 1900), seed=st.integers(0, 99))
def test_rows_of_few_long_chats_are_nearly_as_few_as_they_can_be(median, sigma, second, seed):
    """Where an example fills half a row no packing reaches 98 %; what none can beat is the measure then."""
    rng = np.random.default_rng(seed)
    other = np.clip(rng.normal(second, 150, 2000), 8, 2048).astype(np.int64)
    sizes = np.concatenate([log_normal(median, sigma, 2000, seed=seed), other])
    rows = len(epoch_rows(sizes, np.ones(4000), np.arange(4000, dtype=np.uint64), 2048, seed, 0).starts) - 1
    assert rows <= least_rows(sizes, 2048) / 0.94


def test_each_goes_into_the_fullest_row_with_room():
    assert best_fit(np.array([5, 6, 2, 3, 8, 1]), 8).tolist() == [0, 1, 1, 0, 2, 3]


def test_rows_hold_long_and_short_examples_alike():
    """The number of examples varies no more from row to row than half its mean; sorted by length it is 0.85."""
    sizes = log_normal(200, 0.8, 20_000)
    counts = np.diff(epoch_rows(sizes, np.ones(20_000), np.arange(20_000, dtype=np.uint64), 2048, 0, 0).starts)
    assert counts.std() < 0.55 * counts.mean()


def test_draws_are_even_and_of_their_own_for_each_subject():
    keys = np.arange(20_000, dtype=np.uint64)
    one, other = draws(keys, 0, "order", "0"), draws(keys, 0, "order", "1")
    assert np.allclose(np.quantile(one / 2.0**64, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.01)
    assert abs(np.corrcoef(one.astype(float), other.astype(float))[0, 1]) < 0.03
    assert len({*one.tolist(), *other.tolist()}) == 40_000


def test_the_plan_is_the_same_on_every_machine():
    """Written down once: runs that go on rely on it. Raise FORMAT in train/save/state.py when this changes."""
    ids = ["a", "b", "c", "d", "e", "f"]
    given = {"capacity": 8, "rows_per_step": 1, "epochs": 2.0, "max_steps": None, "seed": 7}
    made = make_plan(np.array([5, 3, 6, 2, 4, 4]), np.ones(6), keys=example_keys(ids), **given)
    assert ["".join(ids[i] for i in row) for row in made.rows] == ["ab", "fe", "cd", "dc", "ab", "fe"]


def test_order_depends_on_seed_and_epoch():
    assert as_lists(plan().rows) == as_lists(plan().rows)
    assert as_lists(plan().rows) != as_lists(plan(seed=1).rows)


def test_a_length_beyond_the_capacity_is_refused():
    with pytest.raises(ValueError, match="3 to 65 do not fit rows of 64"):
        best_fit(np.array([3, 65]), 64)


def test_each_epoch_holds_every_example_once_in_another_order():
    flat = plan(epochs=2.0).packed.examples.tolist()
    assert sorted(flat) == sorted([*range(100), *range(100)])
    assert flat[:100] != flat[100:]


def test_an_epoch_does_not_depend_on_how_many_there_are():
    one, three = plan(epochs=1.0), plan(epochs=3.0)
    assert as_lists(three.rows)[: len(one.rows)] == as_lists(one.rows)


def test_steps_cover_the_rows_in_order_without_gap_and_the_last_takes_what_is_left():
    made = plan(rows_per_step=4)
    steps = [row.tolist() for n in range(made.steps) for row in made.step(n)]
    assert steps == as_lists(made.rows)
    assert len(made.step(made.steps - 1)) == len(made.rows) % 4 > 0
    assert made.step(made.steps) == []


def test_sums_over_the_examples_of_each_step():
    made = plan(rows_per_step=4)
    values = np.random.default_rng(0).random(100)
    assert np.allclose(made.step_sums(values), [values[np.concatenate(made.step(n))].sum() for n in range(made.steps)])


def test_what_was_met_is_what_the_first_steps_hold():
    made = plan(rows_per_step=4)
    met = []
    assert made.met(0).tolist() == met
    for number in range(made.steps):
        met += np.concatenate(made.step(number)).tolist()
        assert made.met(number + 1).tolist() == met


def test_max_steps_keeps_the_beginning():
    whole, cut = plan(epochs=3.0), plan(epochs=3.0, max_steps=4)
    assert cut.steps == 4
    assert as_lists(cut.rows) == as_lists(whole.rows[:12])


def test_half_an_epoch_is_half_of_the_rows():
    assert len(plan(epochs=0.5).rows) == round(len(plan().rows) / 2)


def test_repeats_hold_copies_within_an_epoch():
    counts = np.bincount(plan(repeats=np.full(100, 3.0)).packed.examples)
    assert (counts == 3).all()


def test_nothing_to_train_on_is_a_plan_without_steps():
    none = plan(repeats=np.zeros(100))
    assert (none.steps, none.rows, none.fill) == (0, [], 0.0)


def test_figures_tell_what_comes_up():
    made = plan(max_steps=2)
    sizes = np.random.default_rng(1).integers(1, 60, 100)
    found = figures(made, sizes, sizes // 2)
    assert found.examples_seen == len(set(made.packed.examples.tolist())) < found.examples == 100
    assert found.tokens == sum(sizes[row].sum() for row in made.rows)
    assert found.least_supervised_in_step == min((sizes[np.concatenate(made.step(n))] // 2).sum() for n in range(2))
    assert "100 examples (" in found.line()
    assert "2 steps" in found.line()
