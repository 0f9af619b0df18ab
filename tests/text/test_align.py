import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.text.align import align

ITEMS = st.lists(st.integers(0, 3), max_size=30)


def stretches(old, new, **options):
    return align(np.array(old, dtype=np.int64), np.array(new, dtype=np.int64), **options)


def assert_true(found, old, new):
    """In order, without overlap, equal, and none could go on into the next."""
    i = j = -1
    for stretch in found:
        assert stretch.size > 0
        assert stretch.old >= max(i, 0)
        assert stretch.new >= max(j, 0)
        assert (stretch.old, stretch.new) != (i, j)
        i, j = stretch.old + stretch.size, stretch.new + stretch.size
        assert list(old[stretch.old : i]) == list(new[stretch.new : j])


def longest_common(old, new):
    """Length of the longest common subsequence, by the textbook."""
    best = [0] * (len(new) + 1)
    for a in old:
        diagonal = 0
        for n, b in enumerate(new, 1):
            diagonal, best[n] = best[n], diagonal + 1 if a == b else max(best[n], best[n - 1])
    return best[-1]


@given(ITEMS, ITEMS)
def test_short_sequences_are_aligned_with_the_fewest_edits(old, new):
    found = stretches(old, new)
    assert_true(found, old, new)
    assert sum(stretch.size for stretch in found) == longest_common(old, new)


@given(ITEMS, ITEMS, st.integers(0, 40))
def test_an_alignment_that_ran_out_of_steps_is_still_true(old, new, steps):
    assert_true(stretches(old, new, steps=steps), old, new)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 2000), st.floats(0, 1))
def test_long_sequences_are_aligned_truly(seed, kinds, edits):
    draw = np.random.default_rng(seed)
    old = draw.integers(0, kinds, 800)
    new = np.where(draw.random(800) < edits, draw.integers(0, kinds, 800), old)
    assert_true(stretches(old, new), old, new)


def test_few_edits_in_a_long_sequence_are_all_that_differs():
    old = np.random.default_rng(1).zipf(1.3, 200_000) % 50_000
    kept = np.ones(len(old), dtype=bool)
    kept[1000::5000] = False
    found = stretches(old, old[kept])
    assert_true(found, old, old[kept])
    assert sum(stretch.size for stretch in found) == kept.sum()


def test_sequences_that_share_nothing_or_everything_in_another_order_end_soon():
    many = np.arange(60_000)
    assert stretches(many, many + 60_000) == []
    assert_true(stretches(many, many[::-1]), many, many[::-1])
    shuffled = np.random.default_rng(2).permutation(many)
    assert_true(stretches(many, shuffled), many, shuffled)


def test_sequences_of_two_kinds_of_items_end_soon():
    draw = np.random.default_rng(3)
    old, new = draw.integers(0, 2, 60_000), draw.integers(0, 2, 60_000)
    assert_true(stretches(old, new), old, new)
