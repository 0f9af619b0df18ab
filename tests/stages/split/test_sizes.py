import pytest

from instructkit.stages.split.sizes import Sizes, read_sizes
from instructkit.stages.split.split import Split


def read(train, validation, test):
    return read_sizes({"train": train, "validation": validation, "test": test})


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (0.5, 0.1, 0.1), (0.0, 0, 0)])
def test_shares_that_do_not_sum_to_one_are_a_fault(shares):
    train, validation, test = shares
    (fault,) = Split(train=train, validation=validation, test=test).faults()
    assert "must sum to 1" in fault


def test_shares_that_sum_to_one_but_for_rounding_are_none():
    assert Split(train=0.7, validation=0.2, test=0.1).faults() == []


def test_a_whole_number_is_a_count_and_the_rest_is_what_is_left():
    assert read("rest", 500, 1) == Sizes(None, (None, 500, 1))
    assert read(8000, 1000, 1000) == Sizes(None, (8000, 1000, 1000))
    assert read(100, 0, "rest") == Sizes(None, (100, 0, None))
    assert read("rest", 0.25, 0.25) == Sizes((0.5, 0.25, 0.25), None)
    assert read("rest", 0, 0) == Sizes((1.0, 0.0, 0.0), None)


def test_one_and_two_zeros_are_everything_and_nothing():
    assert read(1, 0, 0) == read(1.0, 0.0, 0) == Sizes((1.0, 0.0, 0.0), None)
    assert read("rest", 1, 0) == Sizes(None, (None, 1, 0))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((8000, 0.1, 0.1), "do not go together: train 8000, validation 0.1, test 0.1; give counts, and `rest`"),
        (("rest", 0.1, 500), "do not go together"),
        (("rest", "rest", 500), "only one split can take the rest"),
        (("rest", 0.7, 0.7), "must sum to 1"),
    ],
)
def test_sizes_that_do_not_go_together_are_a_fault(sizes, said):
    assert said in read(*sizes)


@pytest.mark.parametrize(
    ("sizes", "largest"),
    [((0.1, 0.2, 0.7), 2), ((0.5, 0.5, 0.0), 0), (("rest", 30, 20), 0), (("rest", 80, 20), 1), ((20, 70, 10), 1)],
)
def test_the_roomiest_split_is_the_one_that_is_to_be_the_largest(sizes, largest):
    assert read(*sizes).roomiest(100) == largest
