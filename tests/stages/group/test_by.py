import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.group.by import GroupBy

values = st.sampled_from(["x", "y", "", None])
rows = st.lists(st.tuples(values, values, st.integers(0, 5)), min_size=1, max_size=8)


def fields(*rows):
    return ({"text": "t", "fields": row} for row in rows)


@pytest.mark.parametrize("cut", [0, 2])
def test_records_that_share_a_key_share_a_group_and_nothing_else_changes(documents, run_corpus_stage, cut):
    shard = documents(*fields({"url": "u", "n": 1}, {"url": "v"}, {"url": "u"}, {"n": 1}))
    kept, dropped = run_corpus_stage(GroupBy(keys=["fields.url"]), [shard[:cut], shard[cut:]])
    assert dropped.is_empty()
    assert kept["group"].to_list() == ["g0", "g1", "g0", "g3"]
    assert kept.drop("group").equals(shard.drop("group"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.integers(0, 8))
def test_groups_are_joined_along_every_key_and_never_divided(documents, run_corpus_stage, rows, cut):
    shard = documents({"text": "t", "fields": {"a": "x", "b": "y"}, "group": "z"}, *(
        {"text": "t", "fields": {"a": a, "b": b}, "group": f"g{group}"} for a, b, group in rows
    ))  # fmt: skip
    kept, _ = run_corpus_stage(GroupBy(keys=["fields.a", "fields.b"]), [shard[:cut], shard[cut:]])
    every = [("x", "y", "z"), *((a, b, f"g{group}") for a, b, group in rows)]
    name = list(range(len(every)))
    for _ in every:
        for i, one in enumerate(every):
            for j, other in enumerate(every):
                if one[2] == other[2] or any(one[k] == other[k] and one[k] for k in (0, 1)):
                    name[i] = name[j] = min(name[i], name[j])
    assert [[a == b for b in kept["group"]] for a in kept["group"]] == [[a == b for b in name] for a in name]


def test_a_list_is_one_key_of_which_all_values_must_agree(documents, run_corpus_stage):
    shard = documents(*fields({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "1", "b": "2"}, {"a": "1"}, {"a": "1"}))
    kept, _ = run_corpus_stage(GroupBy(keys=[["fields.a", "fields.b"]]), [shard])
    assert kept["group"].to_list() == ["g0", "g1", "g0", "g3", "g4"]


def test_values_do_not_run_into_one_another(documents, run_corpus_stage):
    shard = documents(*fields({"a": "x", "b": "yz"}, {"a": "xy", "b": "z"}, {"a": "x 1 y", "b": "z"}))
    assert run_corpus_stage(GroupBy(keys=[["fields.a", "fields.b"]]), [shard])[0].equals(shard)
    # The same text under two keys is no shared key.
    assert run_corpus_stage(GroupBy(keys=["fields.a", "fields.b"]), [documents(*fields({"a": "x"}, {"b": "x"}))])[0][
        "group"
    ].to_list() == ["g0", "g1"]


@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}])
def test_a_value_that_says_nothing_joins_nobody(documents, run_corpus_stage, nothing):
    shard = documents(*fields({"url": nothing}, {"url": nothing}, {"url": "u"}))
    assert run_corpus_stage(GroupBy(keys=["fields.url"]), [shard])[0].equals(shard)


def test_what_stems_from_the_documents_of_a_group_comes_along(examples, run_corpus_stage):
    def row(group, ids, meta="{}"):
        return {"messages": [("user", "q")], "group": group, "document_ids": ids, "meta": meta}

    shard = examples(
        row("a", ["A"], '{"talk":7}'),
        row("b+c", ["B", "C"], '{"talk":7}'),
        row("c", ["C"]),
        row("k", ["C"]),
        row("z", []),
    )
    kept, _ = run_corpus_stage(GroupBy(keys=["meta.talk"]), [shard[:2], shard[2:]])
    assert kept["group"].to_list() == ["a", "a", "a", "a", "z"]


def test_files_and_sources_are_keys(documents, run_corpus_stage):
    shard = documents("x", {"text": "y", "source": "other"}, "z")
    assert run_corpus_stage(GroupBy(keys=["source"]), [shard])[0]["group"].to_list() == ["g0", "g1", "g0"]
    assert run_corpus_stage(GroupBy(keys=["origin.file"]), [shard])[0]["group"].to_list() == ["g0"] * 3


def test_a_key_that_no_record_has_stops_the_build_with_the_closest(documents, run_corpus_stage):
    shard = documents(*fields({"url": "u", "author": {"name": "A"}}, {"url": None}))
    for keys, said in [
        (["fields.utl"], r"'fields.utl' that `keys` names; did you mean 'fields.url'\? .*fields.author.name"),
        ([["source", "fields.auther.name"]], "did you mean 'fields.author.name'"),
        (["meta.talk"], "documents have no 'meta'"),
        (["template"], "documents have no 'template'.*after `render`"),
    ]:
        with pytest.raises(StageError, match=said):
            run_corpus_stage(GroupBy(keys=keys), [shard])


def test_a_key_that_is_empty_in_every_record_is_said_to_be(documents, run_corpus_stage):
    shard = documents(*fields({"url": None, "author": {}}, {"url": " "}))
    for key, named in [
        ("fields.url", "fields.url"),
        ("fields.author", "fields.author"),
        (["source", "fields.url"], "fields.url"),
        ("language", "language"),
    ]:
        with pytest.raises(StageError, match=f"keys: '{named}' is empty in every record"):
            run_corpus_stage(GroupBy(keys=[key]), [shard])


def test_values_that_never_stand_together_are_an_error(documents, run_corpus_stage):
    with pytest.raises(StageError, match=r"no record has all of fields\.a, fields\.b"):
        run_corpus_stage(GroupBy(keys=[["fields.a", "fields.b"]]), [documents(*fields({"a": 1}, {"b": 1}))])


def test_paths_that_can_lie_nowhere_are_faults():
    assert GroupBy(keys=["fields.url", ["source", "meta.x"]]).faults() == []
    assert "name at least one" in GroupBy().faults()[0]
    assert "empty list" in GroupBy(keys=[[]]).faults()[0]
    (fault,) = GroupBy(keys=["url"]).faults()
    assert "did you mean 'fields.url' or 'meta.url'?" in fault
    assert "did you mean 'source'" in GroupBy(keys=["sorce"]).faults()[0]


def test_joining_over_two_splits_is_refused_with_the_way_out(documents, run_corpus_stage):
    shard = documents(
        {"text": "x", "fields": {"url": "u"}, "split": "train"}, {"text": "y", "fields": {"url": "u"}, "split": "test"}
    )
    with pytest.raises(StageError, match=r"'d1' \(split test\) and 'd0' \(split train\).*before the split step"):
        run_corpus_stage(GroupBy(keys=["fields.url"]), [shard])


def test_the_outlook_counts_groups_and_names_the_largest(documents):
    stage = GroupBy(keys=["fields.url"])
    shard = documents(*fields({"url": "u"}, {"url": "u"}, {"url": "v"}))
    assert stage.outlook(shard.lazy()) == ["3 groups become 2; the largest, 'g0', holds 2 of 3 rows (66.7%)"]
    assert len(stage.outlook(None)) == 1
    assert stage.outlook(shard[:0].lazy()) == []
    with pytest.raises(StageError, match="no record has"):
        GroupBy(keys=["fields.x"]).outlook(shard.lazy())


def test_no_rows_are_no_error(documents, run_corpus_stage):
    assert run_corpus_stage(GroupBy(keys=["fields.url"]), [documents("x")[:0]])[0].is_empty()
