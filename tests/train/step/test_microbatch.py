import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instructkit.train.step.microbatch import cut, out_of_memory, rows_that_fit

CAPACITY = 20


@given(
    st.lists(st.lists(st.integers(1, CAPACITY), min_size=1, max_size=4), min_size=1, max_size=12),
    st.sampled_from(["packed", "padded", "alone"]),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_law_every_example_stands_in_one_micro_batch_and_none_is_too_large(given_rows, layout, size, ranks):
    lengths = np.array([n for row in given_rows for n in row])
    ends = np.cumsum([len(row) for row in given_rows])
    rows = np.split(np.arange(len(lengths)), ends[:-1])
    parts = cut(rows, lengths, layout, size=size, capacity=CAPACITY, ranks=ranks)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    if layout == "packed":
        of_row = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        assert np.concatenate(parts).tolist() == list(range(len(lengths)))  # in the order of the plan
        assert max(len(set(of_row[part])) for part in parts) <= size
        # Ranks have as much to do as one another: they differ by one row at most in each turn.
        assert len(parts) <= math.ceil(math.ceil(len(rows) / ranks) / size) * ranks
    elif layout == "padded":
        assert all(len(part) * lengths[part].max() <= size * CAPACITY for part in parts)
    else:
        assert all(len(part) == 1 for part in parts)


def test_few_rows_are_dealt_out_to_all_ranks_instead_of_filling_one_micro_batch():
    rows = [np.array([i]) for i in range(4)]
    parts = cut(rows, np.full(4, 9), "packed", size=4, capacity=CAPACITY, ranks=2)
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("free", "each", "own", "most", "expected"),
    [(1000, 10, 50, 64, 64), (1000, 100, 50, 64, 8), (1000, 500, 50, 64, 1), (100, 500, 50, 64, 1), (1000, 1, 0, 1, 1)],
)
def test_rows_are_those_that_fit_into_85_percent_of_the_free_memory(free, each, own, most, expected):
    assert rows_that_fit(free, lambda rows: own + rows * each, most) == expected


def test_rows_that_do_not_fit_while_trying_mean_one_row():
    def used(rows):
        if rows == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 10

    assert rows_that_fit(1000, used, 8) == 1


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def used(rows):
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        rows_that_fit(9, used, 8)
    assert not out_of_memory(ValueError("not enough memory"))


def test_the_allocators_own_words_are_known():
    """Asked for more than any machine has."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert out_of_memory(caught.value)
    with pytest.raises(MemoryError) as numpys:
        np.empty(1 << 50)
    assert out_of_memory(numpys.value)
