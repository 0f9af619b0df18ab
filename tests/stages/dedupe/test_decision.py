import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.dedupe.exact import DedupeExact
from instructkit.stages.dedupe.minhash import DedupeMinhash

STAGES = [DedupeExact, DedupeMinhash]
rows = st.lists(
    st.tuples(st.sampled_from(["one text", "another", "a third"]), st.integers(0, 5)), min_size=1, max_size=8
)
splits = st.lists(st.sampled_from(["train", "test", None]), min_size=6, max_size=6)


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows, splits=splits, keep=st.sampled_from(["first", "longest", "all"]), cut=st.integers(0, 8))
def test_groups_of_one_split_stay_in_one_split_or_it_is_an_error(
    stage, documents, run_corpus_stage, rows, splits, keep, cut
):
    shard = documents(*({"text": text, "group": f"g{group}", "split": splits[group]} for text, group in rows))
    alike = itertools.combinations(rows, 2)
    astray = any(a == b and splits[g] != splits[h] for (a, g), (b, h) in alike)
    try:
        kept, _ = run_corpus_stage(stage(keep=keep), [shard[:cut], shard[cut:]])
    except StageError:
        assert astray
    else:
        assert not astray
        assert kept.select("group", "split").n_unique() == kept["group"].n_unique()


@pytest.mark.parametrize("stage", STAGES)
def test_duplicates_in_two_splits_are_named_with_the_way_out(stage, documents, run_corpus_stage):
    shard = documents(
        {"text": "same words", "split": "train"},
        {"text": "same words", "split": "train"},
        {"text": "same words", "split": "test"},
        {"text": "other words", "split": None},
        {"text": "other words", "split": "test"},
    )
    with pytest.raises(StageError, match=r"'d0' \(split 'train'\) and 'd2' \(split 'test'\)") as error:
        run_corpus_stage(stage(keep="all"), [shard])
    assert "2 clusters" in str(error.value)
    assert "before the split step" in str(error.value)
    with pytest.raises(StageError, match=r"'d3' \(no split\) and 'd4' \(split 'test'\)"):
        run_corpus_stage(stage(), [shard[3:]])
