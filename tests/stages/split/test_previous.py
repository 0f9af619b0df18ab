import gzip
import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError, StageError
from instructkit.stages.split.previous import stood
from instructkit.stages.split.split import Split


@pytest.fixture
def earlier(tmp_path):
    """A function: a file of earlier rows (id, split and, where it is told, group); gives its path."""

    def write(*rows, name="earlier.jsonl"):
        file = tmp_path / name
        said = (dict(zip(("id", "split", "group"), row, strict=False)) for row in rows)
        file.write_text("".join(json.dumps(row) + "\n" for row in said))
        return str(file)

    return write


def of(documents, **groups):
    return documents(*({"id": name, "text": "x", "group": group} for name, group in groups.items()))


def test_a_record_that_stood_keeps_its_split_and_newcomers_of_its_group_go_there(documents, splits, earlier):
    file = earlier(("a", "test", "g1"), ("b", "validation", "g2"), ("gone", "train", "g3"))
    for seed in range(8):
        found, _ = splits(Split(previous=file, seed=seed), of(documents, a="g1", new="g1", b="g2", other="g4"))
        assert (found["a"], found["new"], found["b"]) == ("test", "test", "validation")


def test_groups_may_have_other_names_today(documents, splits, earlier):
    """What stood in one group stays together: c is not among the earlier rows, but has the old group of a."""
    file = earlier(("a", "test", "old"), ("b", "test", "old"))
    found, _ = splits(Split(previous=file), of(documents, a="x", b="y", c="old", d="y"))
    assert set(found.values()) == {"test"}


def test_a_newcomer_that_links_two_splits_is_dropped_and_names_a_record_of_each(documents, divided, earlier):
    file = earlier(("a", "train", "g1"), ("b", "test", "g2"), ("b2", "test", "g2"))
    shard = of(documents, a="g1", b="g1", b2="g1", new="g1", other="g9")
    kept, dropped = divided(Split(previous=file), shard[:2], shard[2:])
    assert kept.filter(pl.col("id") != "other").select("id", "group", "split").rows() == [
        ("a", "g1", "train"),
        ("b", "g2", "test"),
        ("b2", "g2", "test"),
    ]
    (row,) = dropped.select("id", "rule", "value", "detail").rows()
    assert row == (
        "new",
        "bridges_splits",
        "g1",
        "stands in a group that links 'b' (test) and 'a' (train), which stood in different splits",
    )


def test_of_several_newcomers_none_is_said_to_be_the_link(documents, divided, earlier):
    file = earlier(("a", "train", "g1"), ("b", "test", "g2"))
    _, dropped = divided(Split(previous=file), of(documents, a="g1", b="g1", new="g1", other="g1", alone="g9"))
    assert dropped["id"].to_list() == ["new", "other"]
    assert set(dropped["detail"]) == {
        "stands in a group that links 'b' (test) and 'a' (train), which stood in different splits; which of its 2 new "
        "records links them cannot be told here"
    }


def test_old_records_that_are_one_group_today_stay_apart_and_the_outlook_says_so(documents, divided, earlier):
    """A grouping step was added, or the newcomer that joined them was dropped above: nothing here could be dropped."""
    file = earlier(("a", "train", "g1"), ("b", "test", "g2"), ("b2", "test", "g3"), ("c", "test", "g4"))
    shard = of(documents, a="g1", b="g1", b2="g1", c="g4", new="g9")
    kept, dropped = divided(Split(previous=file), shard)
    assert dropped.is_empty()
    assert dict(kept.select("id", "split").rows()).items() >= {"a": "train", "b": "test", "b2": "test"}.items()
    assert Split(previous=file).outlook(shard.lazy())[-1] == (
        "previous: 3 records of 1 group of today stand apart, in the splits where they stood before, such as 'b' "
        "(test) and 'a' (train); `instructkit verify` tells whether their texts leak"
    )
    more = of(documents, a="g1", b="g1", b2="g4+k", c="k", new="g9")
    assert "previous: 2 records of 1 group " in Split(previous=file).outlook(more.lazy())[-1]


def test_old_records_that_only_a_dropped_newcomer_links_are_not_said_to_stand_apart(documents, divided, earlier):
    file = earlier(("a", "train", "g1"), ("b", "test", "g2"))
    shard = of(documents, a="g1", b="g2", new="g1+g2")
    assert divided(Split(previous=file), shard)[1]["id"].to_list() == ["new"]
    assert not [line for line in Split(previous=file).outlook(shard.lazy()) if "stand apart" in line]


def test_a_newcomer_may_link_by_a_document_or_by_two(examples, divided, earlier):
    def row(name, group, made_of):
        return {"id": name, "messages": [("user", "q")], "group": group, "document_ids": made_of}

    file = earlier(("a", "train", "ga"), ("b", "test", "gb"))
    shard = examples(row("a", "ga", ["A"]), row("b", "gb", ["B"]), row("ab", "ga+gb", ["A", "B"]), row("c", "k", ["B"]))
    kept, dropped = divided(Split(previous=file), shard)
    assert kept.select("id", "group", "split").rows() == [("a", "ga", "train"), ("b", "gb", "test")]
    assert dropped["id"].to_list() == ["ab", "c"]


def test_without_groups_in_the_file_those_that_stay_apart_get_groups_of_their_own(documents, divided, earlier):
    file = earlier(("a", "train"), ("b", "test"), ("c", "test"))
    kept, dropped = divided(Split(previous=file), of(documents, a="g", b="g", c="g"))
    assert dropped.is_empty()
    groups = dict(kept.select("id", "group").rows())
    assert groups["b"] == groups["c"] != groups["a"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=2), max_size=10),
    st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=2), max_size=6),
    st.sampled_from(
        [
            {},
            {"stratify": ("source",)},
            {"train": "rest", "validation": 0, "test": 3},
        ]
    ),
)
def test_adding_records_moves_none(documents, divided, stands_apart, earlier, before, after, options):
    every = [*before, *after]
    shard = documents(
        *({"text": "x", "group": "+".join(sorted(g)), "source": f"s{n % 2}"} for n, g in enumerate(every))
    )
    options = {"train": 0.5, "validation": 0.25, "test": 0.25, "largest_group": None} | options
    try:
        old, _ = divided(Split(**options), shard[: len(before)])
        file = earlier(*old.select("id", "split", "group").rows())
        new, dropped = divided(Split(**options, previous=file), shard)
    except StageError:
        assert options["train"] == "rest"  # a count that whole groups cannot have
        return
    assert new[: len(before)].drop("group").equals(old.drop("group"))
    assert set(dropped["rule"]) <= {"bridges_splits"}
    stands_apart(Split(**options, previous=file), shard, new, set(old["id"]))
    # And once more, with what came of it: nothing changes any more.
    again = earlier(*new.select("id", "split", "group").rows())
    same, dropped_again = divided(Split(**options, previous=again), shard)
    assert same.equals(new)
    assert dropped_again.equals(dropped)


def test_an_earlier_build_that_leaks_is_refused(documents, examples, splits, earlier):
    shard = of(documents, a="g1", b="g2")
    with pytest.raises(InputError, match=r"group 'g' lies in test and in train, so what it holds leaks"):
        splits(Split(previous=earlier(("a", "train", "g"), ("b", "test", "g"))), shard)
    with pytest.raises(InputError, match=r"id 'a' lies in test and in train"):
        splits(Split(previous=earlier(("a", "train"), ("a", "test"))), shard)
    two = examples(*({"id": i, "messages": [("user", "q")], "document_ids": ["D"]} for i in "ab"))
    with pytest.raises(
        StageError, match=r"^previous: 'b' \(test\) and 'a' \(train\) are of one document and stood in different splits"
    ):
        splits(Split(previous=earlier(("a", "train"), ("b", "test"))), two)
    with pytest.raises(StageError, match=r"are of one group and stood in different splits"):
        splits(Split(previous=earlier(("a", "train", "x+y"), ("b", "test", "y"))), shard)


def test_held_out_rows_that_stood_in_train_are_dropped(documents, splits, earlier):
    from instructkit.stages.split.held_out import HoldOut

    file = earlier(("a", "train", "g1"), ("b", "test", "g2"))
    stage = Split(train=0.9, validation=0.1, test=0, previous=file, hold_out=HoldOut(source=("s",)))
    rows = documents(*({"id": n, "text": "x", "group": g, "source": s} for n, g, s in
                       [("a", "g1", "s"), ("b", "g2", "s"), ("c", "g3", "s"), ("d", "g1", "t")]))  # fmt: skip
    found, dropped = splits(stage, rows)
    assert found == {"b": "test", "c": "test", "d": "train"}
    assert dropped == {"a": "held_out"}
    with pytest.raises(
        StageError, match=r"train: its share is 0\.9, and it gets no row: `hold_out` holds out all 3 rows"
    ):
        splits(stage, rows[:3])


def test_counts_count_what_stood_and_say_when_it_is_too_much(documents, splits, earlier):
    file = earlier(("a", "test", "g1"), ("b", "test", "g2"))
    shard = of(documents, a="g1", b="g2", c="g3", d="g4")
    found, _ = splits(Split(train="rest", validation=0, test=3, previous=file), shard)
    assert sorted(found.values()) == ["test", "test", "test", "train"]
    assert found["a"] == found["b"] == "test"
    said = "test: 1 rows are asked for, and 2 stand there already: 2 of the earlier build"
    with pytest.raises(StageError, match=rf"{said}\. Ask for 2 or more; 2 rows are left for the others$"):
        splits(Split(train="rest", validation=0, test=1, previous=file), shard)


def test_parquet_and_packed_lines_are_read_alike(tmp_path):
    rows = [{"id": "b", "split": "test", "group": "g", "more": 1}, {"id": "a", "split": "train"}]
    lines = "".join(json.dumps(row) + "\n\n" for row in rows)
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pl.DataFrame(rows).write_parquet(tmp_path / "e.parquet")
    expected = [("a", None, "train"), ("b", "g", "test")]
    for name in ("e.jsonl.gz", "e.parquet"):
        assert stood(name, tmp_path, None).rows() == expected
    pl.DataFrame(rows).drop("group", strict=False).write_parquet(tmp_path / "less.parquet")
    assert stood("less.parquet", tmp_path, None)["group"].null_count() == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "a", "split": "train"}\n{"id": 7, "split": "test"}', r"e\.jsonl:2: expected texts"),
        ('{"id": "a"', r"e\.jsonl:1: "),
        ('{"id": "a", "split": "dev"}', "'a' has the split 'dev', expected train, validation, test"),
        ('{"id": "a"}', "no row has a split"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path, text, said):
    (tmp_path / "e.jsonl").write_text(text)
    with pytest.raises(InputError, match=said):
        stood("e.jsonl", tmp_path, None)


def test_a_table_without_the_columns_is_named(tmp_path):
    pl.DataFrame({"idd": ["a"], "split": ["test"]}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(InputError, match=r"no record has the column 'id' .*did you mean 'idd'"):
        stood("e.parquet", tmp_path, None)


def test_what_is_not_there_is_named_with_the_way_out(tmp_path):
    with pytest.raises(InputError, match=r"build/first: no such file or folder\. Build once without `previous`"):
        stood("build/first", tmp_path, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="this folder is no build"):
        stood("empty", tmp_path, None)
    assert "name its folder by `previous`" in Split(step="final").faults()[0]
