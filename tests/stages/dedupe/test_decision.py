import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.dedupe.exact import DedupeExact
from instructkit.stages.dedupe.minhash import DedupeMinhash

SPLITS = ("train", "test")
STAGES = [DedupeExact, DedupeMinhash]
rows = st.lists(
    st.tuples(st.sampled_from(["one text", "another", "a third"]), st.integers(0, 5)), min_size=1, max_size=8
)
splits = st.lists(st.sampled_from(["train", "test", None]), min_size=6, max_size=6)


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows, splits=splits, keep=st.sampled_from(["first", "longest"]), cut=st.integers(0, 8))
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
        run_corpus_stage(stage(keep="first"), [shard])
    assert "is true: 2." in str(error.value)
    assert "before the split step" in str(error.value)
    assert "group_threshold" not in str(error.value)
    with pytest.raises(StageError, match=r"'d3' \(no split\) and 'd4' \(split 'test'\)"):
        run_corpus_stage(stage(), [shard[3:]])


def test_kin_in_two_splits_that_are_no_duplicates_may_also_have_a_stricter_group_threshold(
    documents, run_corpus_stage, prose, changed
):
    kin, same = (prose(0), changed(prose(0), 20, 59)), (prose(100), prose(100))
    shard = documents(
        *({"text": text, "split": split} for pair in (kin, same) for text, split in zip(pair, SPLITS, strict=True))
    )
    with pytest.raises(StageError, match=r"is true: 2\..* 1 of them hang together by group_threshold \(0\.7\) only"):
        run_corpus_stage(DedupeMinhash(threshold=0.85), [shard])
    with pytest.raises(StageError, match=r"All of them .* with `group_threshold: 0\.85`"):
        run_corpus_stage(DedupeMinhash(threshold=0.85), [shard[:2]])
    kept, _ = run_corpus_stage(DedupeMinhash(threshold=0.85, group_threshold=0.85), [shard[:2]])
    assert kept.equals(shard[:2])


def test_an_id_that_two_steps_hold_is_told_from_one_that_two_sources_gave(documents, run_corpus_stage):
    shard = documents("one text", "another")
    with pytest.raises(StageError, match=r"'d0' stands more than once \(4 rows .* two of the steps .* Read one"):
        run_corpus_stage(DedupeMinhash(), [shard, shard])
