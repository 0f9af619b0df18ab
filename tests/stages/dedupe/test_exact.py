import pytest

from instructkit.errors import StageError
from instructkit.schema import Origin
from instructkit.stages.dedupe.exact import DedupeExact


def test_case_and_whitespace_do_not_tell_texts_apart(documents, run_corpus_stage):
    kept, dropped = run_corpus_stage(
        DedupeExact(), [documents("The moon\n pulls", "the moon pulls", "the moon pulls!")]
    )
    assert kept["id"].to_list() == ["d0", "d2"]
    assert dropped.select("id", "rule", "detail").rows() == [("d1", "duplicate", "kept 'd0'")]


def test_sums_of_other_signs_are_other_sums_even_without_punctuation(documents, run_corpus_stage):
    stage = DedupeExact(ignore=("case", "punctuation", "whitespace"))
    shard = documents("What is 6 * 2?", "What is 6 / 2?", "What is 6 + 2?", "What is 6 - 2?", "what is 6 * 2")
    kept, _ = run_corpus_stage(stage, [shard])
    assert kept["id"].to_list() == ["d0", "d1", "d2", "d3"]


def test_first_is_first_in_the_sources_and_not_in_the_shards(documents, run_corpus_stage):
    shard = documents(
        {"text": "x", "id": "a", "origin": Origin(file="b.txt", line=1)},
        {"text": "x", "id": "b", "origin": Origin(file="a.txt", line=10)},
        {"text": "x", "id": "c", "origin": Origin(file="a.txt", line=9)},
    )
    kept, _ = run_corpus_stage(DedupeExact(), [shard])
    assert kept["id"].to_list() == ["c"]


def test_longest_keeps_the_longest(documents, run_corpus_stage):
    kept, _ = run_corpus_stage(DedupeExact(keep="longest"), [documents("a b", "a    b", "a  b")])
    assert kept["id"].to_list() == ["d1"]


def test_siblings_of_a_duplicate_follow_it_into_its_group(documents, run_corpus_stage):
    """b stems from the document of d; d goes as a duplicate of a, yet b must not land in another split than a."""
    shard = documents(
        {"text": "same", "id": "a", "group": "g1"},
        {"text": "other", "id": "b", "group": "g2"},
        {"text": "alone", "id": "c", "group": "g3"},
        {"text": "same", "id": "d", "group": "g2"},
    )
    kept, _ = run_corpus_stage(DedupeExact(), [shard])
    assert dict(kept.select("id", "group").rows()) == {"a": "g1", "b": "g1", "c": "g3"}


def test_examples_are_compared_by_prompt_when_asked(examples, run_corpus_stage):
    shard = examples([("user", "q"), ("assistant", "one")], [("user", "q"), ("assistant", "two")])
    assert run_corpus_stage(DedupeExact(), [shard])[1].is_empty()
    assert run_corpus_stage(DedupeExact(of="prompt"), [shard])[1]["id"].to_list() == ["e1"]


def test_an_id_that_stands_twice_is_an_error_and_not_a_double_drop(documents, run_corpus_stage):
    shard = documents({"text": "x", "id": "a"}, {"text": "x", "id": "a"})
    with pytest.raises(StageError, match="id 'a' stands more than once"):
        run_corpus_stage(DedupeExact(), [shard])


def test_what_is_made_of_several_documents_brings_them_all_into_the_group(examples, run_corpus_stage):
    """e2 is made of the documents of e1 and e3, e4 of the last; equal to e0 is only e1."""
    turns = [[("user", text)] for text in ("same", "same", "two", "three", "four")]
    groups, made_of = ["g0", "g1", "g1+g3", "g3", "g9"], [["a"], ["b"], ["b", "c"], ["c"], ["c"]]
    rows = zip(turns, groups, made_of, strict=True)
    shard = examples(*({"messages": m, "group": g, "document_ids": d} for m, g, d in rows))
    kept, dropped = run_corpus_stage(DedupeExact(), [shard[:3], shard[3:]])
    assert dropped["id"].to_list() == ["e1"]
    assert kept["group"].to_list() == ["g0"] * 4
