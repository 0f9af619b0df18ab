import polars as pl

from instructkit.minhash.buckets import ALL_PAIRS_UP_TO
from instructkit.stages.dedupe.minhash import DedupeMinhash


def test_the_first_of_near_duplicates_stays_and_the_drop_says_which(
    documents, run_corpus_stage, prose, changed, jaccard
):
    shard = documents(prose(0), changed(prose(0), 59), prose(100))
    kept, dropped = run_corpus_stage(DedupeMinhash(), [shard])
    assert kept["id"].to_list() == ["d0", "d2"]
    (row,) = dropped.select("id", "rule", "value", "threshold", "detail").rows()
    measured = f"{round(jaccard(*shard['text'][:2]), 4)}"
    assert row == ("d1", "near_duplicate", measured, "0.8", "kept 'd0'; most like 'd0'")


def test_a_chain_is_one_cluster_and_names_the_nearest_beside_the_survivor(
    documents, run_corpus_stage, prose, changed, jaccard
):
    one = prose(0)
    two = changed(one, 59)
    three = changed(two, 0, 1, 2)
    assert jaccard(one, three) < 0.87 < jaccard(two, three)
    kept, dropped = run_corpus_stage(DedupeMinhash(threshold=0.87), [documents(one, two, three)])
    assert kept["id"].to_list() == ["d0"]
    assert dropped["detail"].to_list()[1] == "kept 'd0'; most like 'd1'"


def test_chinese_is_compared_by_characters(documents, run_corpus_stage):
    text = "月亮的引力使海水发生周期性的涨落，叫做潮汐。地球上大部分海岸每天有两次高潮和两次低潮，间隔约为十二小时。"
    shard = documents(
        text, text.replace("海岸", "海边"), "股票市场今天大幅上涨，投资者信心恢复，成交量创下今年以来的新高纪录。"
    )
    kept, _ = run_corpus_stage(DedupeMinhash(threshold=0.7), [shard])
    assert kept["id"].to_list() == ["d0", "d2"]


def test_short_texts_are_compared_as_a_whole(documents, run_corpus_stage):
    shard = documents(
        "Yes.", "yes", "no", "", "!!!", "???", "What is 2 + 3?", "What is 2 + 4?", "one two three four five"
    )
    kept, _ = run_corpus_stage(DedupeMinhash(), [shard])
    assert kept["id"].to_list() == ["d0", "d2", "d3", "d4", "d5", "d6", "d7", "d8"]


def test_a_text_that_stands_many_times_and_a_shared_beginning_cost_no_square(
    documents, run_corpus_stage, prose, changed
):
    copies = [prose(0)] * 300
    kin = [changed(prose(0), n % 60) for n in range(ALL_PAIRS_UP_TO * 2)]
    kept, dropped = run_corpus_stage(DedupeMinhash(), [documents(*copies, *kin)])
    assert kept["id"].to_list() == ["d0"]
    assert dropped.height == 299 + len(kin)


def test_longest_keeps_the_longest(documents, run_corpus_stage, prose):
    shard = documents(prose(0, 60), prose(0, 64), prose(0, 62))
    assert run_corpus_stage(DedupeMinhash(keep="longest"), [shard])[0]["id"].to_list() == ["d1"]


def test_recall_that_cannot_be_reached_is_a_fault():
    (fault,) = DedupeMinhash(threshold=0.01, num_perm=16).faults()
    assert "16 permutations" in fault
    assert DedupeMinhash().faults() == []


def test_sketches_are_small_and_the_same_alone_or_together(documents, prose):
    stage = DedupeMinhash()
    shard = documents(prose(0), "", prose(30, 300))
    together = stage.sketch(shard)
    assert together.equals(pl.concat([stage.sketch(shard[n : n + 1]) for n in range(3)]))
    assert sum(name.startswith("band_") for name in together.columns) == 26


def test_an_empty_corpus_is_no_trouble(documents, run_corpus_stage):
    kept, dropped = run_corpus_stage(DedupeMinhash(), [documents()])
    assert kept.is_empty()
    assert dropped.is_empty()


def test_the_outlook_states_recall_at_both_thresholds_and_never_a_full_hundred():
    lines = DedupeMinhash(threshold=0.8, group_threshold=0.7).outlook(pl.LazyFrame({"id": range(2_000_000)}))
    text = "\n".join(lines)
    assert "26 bands of 5 minima" in text
    assert "99.1% at group_threshold 0.7, 99.9% at threshold 0.8" in text
    assert "100" not in text
    assert "for each million" not in text
    assert "for each million" in "\n".join(DedupeMinhash().outlook(None))


def test_what_is_alike_at_the_looser_threshold_shares_a_group_and_stays(
    documents, run_corpus_stage, prose, changed, jaccard
):
    one, two, far = prose(0), changed(prose(0), 20, 59), prose(100)
    assert 0.7 < jaccard(one, two) < 0.85
    shard = documents(one, two, far)
    kept, dropped = run_corpus_stage(DedupeMinhash(threshold=0.85), [shard])
    assert dropped.is_empty()
    assert kept["group"].to_list() == ["g0", "g0", "g2"]
    kept, _ = run_corpus_stage(DedupeMinhash(threshold=0.85, group_threshold=1), [shard])
    assert kept["group"].to_list() == ["g0", "g1", "g2"]


def test_the_best_by_a_field_stays_and_who_has_no_score_goes(documents, run_corpus_stage, prose, changed):
    shard = documents(
        {"text": prose(0), "fields": {"quality": "3"}},
        {"text": changed(prose(0), 59), "fields": {"quality": 7}},
        {"text": changed(prose(0), 0), "fields": {}},
    )
    stage = DedupeMinhash(keep="best", score="fields.quality", threshold=0.75)
    assert run_corpus_stage(stage, [shard])[0]["id"].to_list() == ["d1"]
    assert DedupeMinhash(keep="best").faults()
    assert DedupeMinhash(score="fields.quality").faults()
    assert DedupeMinhash(keep="best", score="quality").faults()
    assert stage.faults() == []


def test_a_preferred_source_stays_before_longer_and_earlier_records(documents, run_corpus_stage, prose):
    shard = documents(
        {"text": prose(0, 64), "source": "a"},
        {"text": prose(0, 60), "source": "b"},
        {"text": prose(0, 62), "source": "c"},
    )
    assert run_corpus_stage(DedupeMinhash(keep="longest"), [shard])[0]["id"].to_list() == ["d0"]
    assert run_corpus_stage(DedupeMinhash(keep="longest", prefer=("c", "b")), [shard])[0]["id"].to_list() == ["d2"]


def test_the_decision_lists_each_cluster_with_its_survivor(documents, prose, changed):
    shard = documents(prose(0), changed(prose(0), 59), prose(100))
    stage = DedupeMinhash()
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    assert decision.select("id", "cluster", "survivor", "nearest").rows() == [
        ("d0", "d0", None, "d1"),
        ("d1", "d0", "d0", "d0"),
    ]
