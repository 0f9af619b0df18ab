import pytest

from instructkit.errors import StageError
from instructkit.stages.dedupe.minhash import DedupeMinhash
from instructkit.stages.group.near import GroupNear

WORDS = [f"word{n}" for n in range(400)]
PROSE, OTHER = " ".join(WORDS[:60]), " ".join(WORDS[100:160])
NEARLY = PROSE.replace("word5 ", "five ").replace("word59", "last")


def test_near_duplicates_share_a_group_and_none_goes(documents, run_corpus_stage):
    shard = documents(OTHER, PROSE, NEARLY)
    kept, dropped = run_corpus_stage(GroupNear(), [shard[:2], shard[2:]])
    assert dropped.is_empty()
    assert kept["group"].to_list() == ["g0", "g1", "g1"]
    assert kept.drop("group").equals(shard.drop("group"))


def test_groups_are_those_of_dedupe_minhash_with_nothing_dropped(documents, run_corpus_stage):
    shard = documents(NEARLY, {"text": OTHER, "group": "g2"}, {"text": PROSE, "group": "g2"}, "alone")
    kept, _ = run_corpus_stage(GroupNear(threshold=0.7), [shard])
    fewer, dropped = run_corpus_stage(DedupeMinhash(threshold=0.7), [shard])
    assert dropped["id"].to_list() == ["d2"]
    assert kept.filter(kept["id"] != "d2").equals(fewer)


def test_the_decision_lists_clusters_of_which_nobody_goes(documents):
    stage, shard = GroupNear(), documents(OTHER, PROSE, NEARLY)
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    assert decision.select("id", "cluster", "survivor", "nearest").rows() == [
        ("d1", "d1", None, "d2"),
        ("d2", "d1", None, "d1"),
    ]


def test_a_threshold_above_the_likeness_joins_nobody(documents, run_corpus_stage):
    shard = documents(PROSE, NEARLY)
    assert run_corpus_stage(GroupNear(threshold=0.95), [shard])[0].equals(shard)


def test_prompts_of_examples_can_be_what_is_compared(examples, run_corpus_stage):
    shard = examples([("user", PROSE), ("assistant", "yes")], [("user", NEARLY), ("assistant", OTHER)])
    assert run_corpus_stage(GroupNear(), [shard])[0]["group"].to_list() == ["g0", "g1"]
    assert run_corpus_stage(GroupNear(of="prompt"), [shard])[0]["group"].to_list() == ["g0", "g0"]


def test_near_duplicates_in_two_splits_are_an_error(documents, run_corpus_stage):
    shard = documents({"text": PROSE, "split": "train"}, {"text": NEARLY, "split": "test"})
    with pytest.raises(StageError, match=r"'d0' \(split 'train'\) and 'd1' \(split 'test'\) are alike"):
        run_corpus_stage(GroupNear(), [shard])


def test_a_recall_that_cannot_be_reached_is_a_fault():
    assert GroupNear().faults() == []
    assert "16 permutations" in GroupNear(threshold=0.01, num_perm=16).faults()[0]


def test_the_outlook_tells_the_recall():
    assert "recall: 99" in "\n".join(GroupNear().outlook(None))
