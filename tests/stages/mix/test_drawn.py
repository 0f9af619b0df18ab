from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from instructkit.stages.mix.drawn import repeats_by_tokens, repeats_of_rows, within_caps

letters = st.sampled_from("ab")


@given(st.lists(st.tuples(letters, letters)), st.dictionaries(letters, st.integers(0, 4)), st.integers(0, 4))
def test_a_row_is_left_out_only_where_a_cap_of_its_own_is_full(rows, some, all_of_them):
    frame = pl.DataFrame(rows, schema={"task": pl.String, "source": pl.String}, orient="row")
    caps = {"task": some, "source": dict.fromkeys("ab", all_of_them)}
    left_out = within_caps(frame, caps)
    kept = [row for row, column in zip(rows, left_out, strict=True) if column is None]
    for place, column in enumerate(("task", "source")):
        counts = Counter(row[place] for row in kept)
        assert all(counts[value] <= limit for value, limit in caps[column].items())
        over = {row[place] for row, by in zip(rows, left_out, strict=True) if by == column}
        assert all(counts[value] == caps[column][value] for value in over)


def test_without_caps_nothing_is_left_out():
    assert within_caps(pl.DataFrame({"task": ["a", "a"]}), {}) == [None, None]


@given(st.integers(0, 50), st.integers(0, 500))
def test_rows_come_up_as_often_as_wanted_and_as_evenly_as_can_be(count, target):
    repeats = repeats_of_rows(count, target)
    assert len(repeats) == count
    if count:
        assert repeats.sum() == target
        assert repeats.max() - repeats.min() <= 1
        assert (np.diff(repeats) <= 0).all()


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(0, 2000))
def test_tokens_fall_short_of_the_target_by_less_than_the_next_row(tokens, target):
    tokens = np.array(tokens, dtype=np.int64)
    repeats = repeats_by_tokens(tokens, target)
    if tokens.sum():
        short = target - int((repeats * tokens).sum())
        once_more = repeats > repeats[tokens > 0].min()
        coming = np.flatnonzero((tokens > 0) & ~once_more)
        assert short >= 0
        assert short < tokens[coming[0]]
        counted = repeats[tokens > 0]
        assert counted.max() - counted.min() <= 1


def test_rows_without_tokens_come_up_with_the_others():
    assert repeats_by_tokens(np.array([0, 5, 5]), 5).tolist() == [1, 1, 0]
    assert repeats_by_tokens(np.array([0, 5, 5]), 20).tolist() == [2, 2, 2]
    assert repeats_by_tokens(np.array([0, 5]), 0).tolist() == [0, 0]
