import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.split import Split

groups = st.lists(st.text(max_size=3), max_size=30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(groups, groups, st.integers(0, 5))
def test_a_group_is_never_divided_and_new_records_move_none(documents, before, after, seed):
    def splits(of):
        kept, dropped = Split(seed=seed).apply(documents(*({"text": "x", "group": g} for g in of)))
        assert (kept.height, dropped.height) == (len(of), 0)
        return list(zip(kept["group"], kept["split"], strict=True))

    first, second = splits(before), splits(after + before)
    assert len(set(second)) == len({group for group, _ in second})
    assert set(first) <= set(second)
    assert all(split in ("train", "validation", "test") for _, split in second)


def test_shares_are_met_on_average(documents):
    kept, _ = Split().apply(documents(*(f"text {n}" for n in range(4000))))
    counts = dict(kept["split"].value_counts().rows())
    # 4,000 draws: three standard deviations are 76 of 3,200 and 57 of 400
    assert abs(counts["train"] - 3200) < 76
    assert abs(counts["validation"] - 400) < 57


def test_another_seed_divides_otherwise(documents):
    shard = documents(*(f"text {n}" for n in range(200)))
    assert Split(seed=1).apply(shard).kept["split"].to_list() != Split(seed=2).apply(shard).kept["split"].to_list()


def test_a_share_of_nothing_gets_nothing(documents):
    shard = documents(*(f"text {n}" for n in range(300)))
    kept, _ = Split(train=0.5, validation=0.0, test=0.5).apply(shard)
    assert set(kept["split"]) == {"train", "test"}


def test_examples_are_divided_like_their_documents(documents, examples):
    splits = Split().apply(documents(*("x" for _ in range(20)))).kept["split"].to_list()
    assert Split().apply(examples(*([("user", "q")] for _ in range(20)))).kept["split"].to_list() == splits


def test_dividing_twice_is_refused(documents):
    with pytest.raises(StageError, match="already carry a split"):
        Split().apply(Split().apply(documents("x", "y")).kept)


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (0.5, 0.1, 0.1)])
def test_shares_that_do_not_sum_to_one_are_a_fault(shares):
    train, validation, test = shares
    (fault,) = Split(train=train, validation=validation, test=test).faults()
    assert "must sum to 1" in fault


def test_shares_that_sum_to_one_but_for_rounding_are_none():
    assert Split(train=0.7, validation=0.2, test=0.1).faults() == []
