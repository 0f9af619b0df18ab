from collections import Counter

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.contract import CorpusStage
from instructkit.stages.split.held_out import HoldOut
from instructkit.stages.split.split import Split

groups = st.lists(st.text(max_size=3), max_size=30)


def of(documents, *groups, **columns):
    return documents(*({"text": "x", "group": group, **columns} for group in groups))


def test_it_is_a_corpus_stage():
    assert isinstance(Split(), CorpusStage)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups, groups, st.integers(0, 5))
def test_a_group_is_never_divided_and_new_records_move_none(documents, divided, before, after, seed):
    # Joint groups link others, so that new ones may move old ones; `previous` is for that.
    before, after = ([group.replace("+", "-") for group in each] for each in (before, after))

    def found(groups):
        kept, dropped = divided(Split(seed=seed, largest_group=None), of(documents, *groups))
        assert (kept.height, dropped.height) == (len(groups), 0)
        return list(zip(kept["group"], kept["split"], strict=True))

    first, second = found(before), found(after + before)
    assert len(set(second)) == len({group for group, _ in second})
    assert set(first) <= set(second)
    assert all(split in ("train", "validation", "test") for _, split in second)


def test_shares_are_met_on_average(documents, divided):
    kept, _ = divided(Split(), documents(*(f"text {n}" for n in range(4000))))
    counts = dict(kept["split"].value_counts().rows())
    # 4,000 draws: three standard deviations are 76 of 3,200 and 57 of 400
    assert abs(counts["train"] - 3200) < 76
    assert abs(counts["validation"] - 400) < 57


def test_another_seed_divides_otherwise(documents, splits):
    shard = documents(*(f"text {n}" for n in range(200)))
    assert splits(Split(seed=1), shard) != splits(Split(seed=2), shard)


def test_a_share_of_nothing_gets_nothing(documents, splits):
    found, _ = splits(Split(train=0.5, validation=0.0, test=0.5), documents(*(f"text {n}" for n in range(300))))
    assert set(found.values()) == {"train", "test"}


def test_examples_are_divided_like_their_documents(documents, examples, splits):
    of_documents, _ = splits(Split(), documents(*("x" for _ in range(20))))
    of_examples, _ = splits(Split(), examples(*([("user", "q")] for _ in range(20))))
    assert [*of_examples.values()] == [*of_documents.values()]


def test_dividing_twice_is_refused(documents, divided):
    kept, _ = divided(Split(), documents("x", "y"))
    with pytest.raises(StageError, match="already carry a split"):
        divided(Split(), kept)


def test_shares_alone_name_only_rows_that_do_not_go_by_their_own_hash(documents, examples):
    stage, shard = Split(), documents(*(f"text {n}" for n in range(50)))
    assert stage.decide(stage.sketch(shard).lazy(), shard.lazy()).is_empty()
    turns = [("user", "q")]
    shard = examples(*({"messages": turns, "group": f"a{n}" if n % 2 else f"a{n}+a{n + 1}"} for n in range(50)))
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    assert 0 < decision.height < 25


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_an_example_of_two_documents_brings_both_and_their_kin_into_its_split(examples, splits, cut):
    """With (A, B), A's own example and that of B' kin to B; sharing a document counts, whatever the group is called."""
    every = set()
    for seed in range(40):
        rows = [("a+b", ["A", "B"]), ("a", ["A"]), ("b", ["B'"]), ("renamed", ["B"]), ("z", ["Z"])]
        shard = examples(*({"messages": [("user", "q")], "group": g, "document_ids": d} for g, d in rows))
        found, _ = splits(Split(seed=seed, train=0.5, validation=0, test=0.5), shard[:cut], shard[cut:])
        assert len({found[f"e{n}"] for n in range(4)}) == 1
        every.add((found["e0"], found["e4"]))
    assert len(every) == 4


def test_exemplars_join_nothing(examples, splits):
    rows = ({"messages": [("user", "q")], "document_ids": [f"d{n}"], "exemplar_ids": ["d0"]} for n in range(60))
    found, _ = splits(Split(), examples(*rows))
    assert set(found.values()) == {"train", "validation", "test"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([(), ("source",)]),
    st.integers(0, 3),
)
def test_counts_are_met_exactly_or_named_with_those_next_to_them(
    documents, divided, sizes, validation, test, stratify, seed
):
    names = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    shard = of(documents, *names).with_columns(source=pl.Series([f"s{n % 2}" for n in range(len(names))]))
    stage = Split(train="rest", validation=validation, test=test, stratify=stratify, seed=seed)
    if not (validation or test):
        stage = Split(train=len(names), validation=0, test=0, stratify=stratify, seed=seed)
    sums = {0}
    for size in sizes:
        sums |= {size + each for each in sums}
    said = ""
    try:
        kept, _ = divided(stage, shard)
    except StageError as error:
        said = str(error)
    if said:
        assert "whole groups cannot have exactly" in said
        # One alone cannot be had, or both can, but not beside one another.
        assert {test, validation} - sums or (test and validation)
    else:
        counts = Counter(kept["split"].to_list())
        assert (counts["validation"], counts["test"]) == (validation, test)


def test_counts_of_all_splits_must_be_all_rows(documents, splits):
    shard = documents(*(f"text {n}" for n in range(20)))
    found, _ = splits(Split(train=14, validation=4, test=2), shard)
    assert Counter(found.values()) == {"train": 14, "validation": 4, "test": 2}
    with pytest.raises(StageError, match=r"train: 15 rows are asked for and 14 are left .*or ask for 14"):
        splits(Split(train=15, validation=4, test=2), shard)
    with pytest.raises(
        StageError, match=r"test: whole groups cannot have exactly 30 rows; next to it they can have 20"
    ):
        splits(Split(train="rest", validation=0, test=30), shard)


def test_one_count_may_need_what_the_other_would_take_first(documents, splits):
    # Test may be met by the single row or not; validation needs it.
    shard = of(documents, *"aaabbbc")
    for seed in range(10):
        found, _ = splits(Split(train="rest", validation=1, test=3, seed=seed), shard)
        assert Counter(found.values()) == {"train": 3, "validation": 1, "test": 3}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), min_size=1, max_size=20),
    st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.34, 0.33, 0.33)]),
    st.integers(0, 3),
)
def test_each_stratum_has_its_shares_to_within_one_group(documents, divided, drawn, shares, seed):
    rows = [(f"g{n}", source) for n, (size, source) in enumerate(drawn) for _ in range(size)]
    shard = documents(*({"text": "x", "group": group, "source": source} for group, source in rows))
    train, validation, test = shares
    stage = Split(train=train, validation=validation, test=test, stratify=("source",), seed=seed, largest_group=None)
    kept, _ = divided(stage, shard)
    for source in {source for _, source in drawn}:
        inside = kept.filter(source=source)
        largest = max(size for size, of in drawn if of == source)
        for name, share in zip(("train", "validation", "test"), shares, strict=True):
            assert abs(inside.filter(split=name).height - share * inside.height) <= largest + 1e-9


def test_strata_of_two_rows_fill_small_splits_on_average(documents, divided):
    shard = documents(*({"text": "x", "source": f"s{n // 2}"} for n in range(1000)))
    counts = Counter(divided(Split(stratify=("source",)), shard)[0]["split"].to_list())
    assert abs(counts["test"] - 100) < 30


def test_strata_of_fields_hold_as_counts_too(documents, divided):
    shard = documents(*({"text": "x", "fields": {"topic": "ab"[n % 4 == 0]}} for n in range(400)))
    kept, _ = divided(Split(train="rest", validation=40, test=20, stratify=("fields.topic", "source")), shard)
    kept = kept.with_columns(topic=pl.col("fields").str.json_path_match("$.topic"))
    found = {tuple(k): n for *k, n in kept.group_by("split", "topic").len().rows()}
    assert found[("validation", "a")] + found[("validation", "b")] == 40
    assert abs(found[("test", "b")] - 5) <= 1
    assert abs(found[("validation", "b")] - 10) <= 1


def test_a_group_counts_as_the_stratum_of_most_of_its_rows(documents, divided):
    """Ten groups of a with one row of b each are ten of a: b by itself gets its shares as if they were not there."""
    rows = [(f"m{n}", s) for n in range(10) for s in ("a", "a", "b")] + [(f"n{n}", "b") for n in range(10)]
    shard = documents(*({"text": "x", "group": group, "source": source} for group, source in rows))
    for seed in range(5):
        stage = Split(train=0.5, validation=0, test=0.5, stratify=("source",), seed=seed, largest_group=None)
        kept, _ = divided(stage, shard)
        pure = kept.filter(pl.col("group").str.starts_with("n"))
        assert pure.filter(split="test").height == 5


def test_a_stratum_that_no_record_has_is_an_error(documents, splits):
    with pytest.raises(StageError, match=r"'fields\.topik' that `stratify` names; did you mean 'fields\.topic'"):
        splits(Split(stratify=("fields.topik",)), documents({"text": "x", "fields": {"topic": "a"}}))
    with pytest.raises(StageError, match="stratify: documents have no 'task'"):
        splits(Split(stratify=("task",)), documents("x"))


def test_a_stratum_that_is_empty_in_every_record_is_said_to_be(documents, splits):
    shard = documents({"text": "x", "fields": {"topic": None, "other": 1}})
    with pytest.raises(StageError, match=r"stratify: 'fields\.topic' is empty in every record"):
        splits(Split(stratify=("fields.topic",)), shard)
    with pytest.raises(StageError, match=r"stratify: 'language' is empty in every record"):
        splits(Split(stratify=("language",)), shard)


def test_a_default_that_the_recipe_does_not_name_is_called_so():
    said = ". A split that the recipe leaves out has its default (train 0.8, validation 0.1, test 0.1); 0 makes none"
    (fault,) = Split(train=8000).faults()
    assert fault.endswith("for the split that takes what is left" + said)
    (fault,) = Split(train=0.9).faults()
    assert fault == "shares must sum to 1: train 0.9, validation 0.1, test 0.1 = 1.1" + said
    assert "default" not in Split(train=0.5, validation=0.2, test=0.2).faults()[0]


def test_a_value_equal_to_a_pattern_is_held_out_whatever_signs_it_has(documents, splits):
    shard = documents(*({"text": "x", "source": source} for source in ("a[1]", "a1", "b") * 5))
    found, dropped = splits(Split(hold_out=HoldOut(source=("a[1]",))), shard)
    held = {f"d{n}" for n in range(15) if n % 3 < 2}
    assert dropped == {}
    assert {found[name] for name in held} == {"test"}


def test_what_is_held_out_is_in_test_or_dropped_with_the_pattern(examples, divided):
    def row(number, group, template):
        return {"messages": [("user", "q")], "group": group, "template": template, "id": f"e{number}"}

    rows = [row(n, f"g{n // 2}", "qa/open" if n % 2 else "sum/short") for n in range(60)]
    rows += [row(60 + n, f"only{n}", "qa/closed") for n in range(5)]
    kept, dropped = divided(Split(hold_out=HoldOut(template=("qa/*",))), examples(*rows))
    held = kept.filter(pl.col("template").str.starts_with("qa/"))
    assert set(held["split"]) == {"test"}
    assert set(held["id"]) >= {f"e{60 + n}" for n in range(5)}
    assert dropped.height > 20
    assert set(dropped.select("rule", "value", "threshold").rows()) == {("held_out", "template qa/open", "qa/*")}
    assert set(dropped["detail"]) == {"its group is in train", "its group is in validation"}
    # What is not held out is divided as ever.
    plain, _ = divided(Split(), examples(*rows))
    assert kept.filter(template="sum/short").equals(plain.filter(template="sum/short"))


def test_held_out_rows_count_where_they_are_and_not_where_they_are_dropped(documents, divided):
    rows = ({"text": "x", "group": f"g{n // 2}", "source": "ab"[n % 2]} for n in range(80))
    stage = Split(train="rest", validation=5, test=10, hold_out=HoldOut(source=("b",)))
    kept, dropped = divided(stage, documents(*rows))
    assert Counter(kept["split"].to_list()) == {"train": 30, "validation": 5, "test": 10}
    assert dropped.height == 35


def test_a_pattern_that_matches_nothing_is_an_error_with_the_closest(documents, splits):
    shard = documents({"text": "x", "language": "de"}, {"text": "y", "source": "web"})
    with pytest.raises(
        StageError, match=r"no row has a source that matches 'wep'; did you mean 'web'\? \(sources: s, web\)"
    ):
        splits(Split(hold_out=HoldOut(language=("de",), source=("wep",))), shard)
    with pytest.raises(StageError, match="hold_out: documents have no 'template'"):
        splits(Split(hold_out=HoldOut(template=("qa/*",))), shard)


def test_the_outlook_raises_where_the_build_would(documents):
    expected = (
        r"^test: whole groups cannot have exactly 30 rows; next to it they can have 2. Ask for one of these, or for a "
        "share$"
    )
    with pytest.raises(StageError, match=expected):
        Split(train="rest", validation=0, test=30).outlook(documents("x", "y").lazy())


def test_a_giant_group_goes_to_the_largest_split_and_the_outlook_names_it(documents, splits):
    shard = of(documents, *["giant"] * 40, *(f"g{n}" for n in range(60)))
    went = set()
    for seed in range(12):
        stage = Split(seed=seed, train=0.2, validation=0.2, test=0.6)
        found, _ = splits(stage, shard)
        assert {found[f"d{n}"] for n in range(40)} == {"test"}
        went.add(splits(Split(seed=seed, train=0.2, validation=0.2, test=0.6, largest_group=None), shard)[0]["d0"])
        assert "too large for a split by hash: group 'giant' of 40 rows (40.0%) goes to test" in stage.outlook(
            shard.lazy()
        )
    assert len(went) > 1


def test_giants_of_one_size_are_named_in_the_order_of_their_names(documents):
    names = [name for name in ("c", "a", "b", "d") for _ in range(30)]
    said = Split().outlook(of(documents, *names, *(f"g{n}" for n in range(60))).lazy())
    assert [line.split("'")[1] for line in said if "too large" in line] == ["a", "b", "c", "d"]


def test_a_giant_that_no_count_has_room_for_is_named(documents, splits):
    shard = of(documents, *["giant"] * 60, *(f"g{n}" for n in range(40)))
    with pytest.raises(StageError) as error:
        splits(Split(train=50, validation=25, test=25), shard)
    assert str(error.value) == (
        "train: 50 rows are asked for, and 60 stand there already: 60 in groups too large for another split (the "
        "largest: 'giant'). Ask for 60 or more, or let it be the `rest`; 40 rows are left for the others"
    )
    with pytest.raises(StageError) as error:
        splits(Split(train=50, validation=25, test=25, largest_group=None), shard)
    assert str(error.value) == (
        "group 'giant' has 60 rows, and no split has room for it: train for 50, validation for 25, test for 25. Let "
        "the split that is to have it be the `rest`"
    )
    found, _ = splits(Split(train="rest", validation=15, test=25), shard)
    assert Counter(found.values()) == {"train": 60, "validation": 15, "test": 25}


def test_of_two_counts_that_do_not_go_together_another_pair_is_spoken_of(documents, splits):
    with pytest.raises(StageError, match=r"Ask for one of these, or for a share; another pair of counts may work too$"):
        splits(Split(train="rest", validation=1, test=3), of(documents, *"aabbcc"))


def test_a_split_that_is_asked_for_and_would_be_empty_is_said_to_be(documents):
    shard = documents({"text": "x"})
    said = Split(train="rest", validation=0, test=1).outlook(shard.lazy())
    assert said[-1] == "train is asked for and would be empty"
    (full,) = {name for name in ("train", "validation", "test") if f"{name} 1 (" in Split().outlook(shard.lazy())[0]}
    empty = [name for name in ("train", "validation", "test") if name != full]
    assert Split().outlook(shard.lazy())[-1] == f"{' and '.join(empty)} are asked for and would be empty"
    assert not [line for line in Split(train=1, validation=0, test=0).outlook(shard.lazy()) if "empty" in line]


def test_a_share_of_train_of_which_nothing_comes_stops_the_build(documents, splits):
    shard = documents(*(f"text {n}" for n in range(20)))
    stage = Split(hold_out=HoldOut(source=("*",)))
    said = (
        "train: its share is 0.8, and it gets no row: `hold_out` holds out all 20 rows. Hold out less, or give "
        "`train` no share"
    )
    with pytest.raises(StageError) as error:
        splits(stage, shard)
    assert str(error.value) == said
    with pytest.raises(StageError) as error:
        stage.outlook(shard.lazy())
    assert str(error.value) == said
    found, _ = splits(Split(train=0, validation=0, test=1, hold_out=HoldOut(source=("*",))), shard)
    assert set(found.values()) == {"test"}
    one = of(documents, *["g"] * 120)

    def stops(seed):
        try:
            Split(train=0.5, validation=0, test=0.5, seed=seed).outlook(one.lazy())
        except StageError as error:
            return str(error)
        return ""

    unlucky = ["it gets none of 120 rows: 1 group went by lot." in stops(seed) for seed in range(20)]
    assert any(unlucky)
    assert not all(unlucky)


def test_groups_of_a_few_records_are_no_giants(documents, splits):
    shard = of(documents, *"aabbccddeeffgghhii")
    assert splits(Split(), shard) == splits(Split(largest_group=None), shard)


@pytest.mark.parametrize(
    "stage",
    [
        Split(seed=3),
        Split(train="rest", validation=7, test=12),
        Split(stratify=("source",), hold_out=HoldOut(source=("s1",))),
    ],
    ids=["shares", "counts", "strata"],
)
def test_the_outlook_tells_the_rows_that_the_build_gives(documents, divided, stage):
    rows = ({"text": "x", "group": f"g{n // 3}" if n < 30 else f"g{n}", "source": f"s{n % 3}"} for n in range(90))
    shard = documents(*rows)
    kept, dropped = divided(stage, shard)
    said, groups, *_ = stage.outlook(shard.lazy())
    for name in ("train", "validation", "test"):
        assert f"{name} {kept.filter(split=name).height:,} (" in said
    assert (f"dropped: {dropped.height} held_out" in said) == bool(dropped.height)
    assert groups == "70 groups; the largest, 'g0', holds 3 rows (3.3%)"
    assert "known once" in stage.outlook(None)[0]
    assert stage.outlook(shard[:0].lazy()) == []


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_order_and_cut_of_shards_change_no_row(documents, run_corpus_stage, random, cut):
    rows = [{"text": "x", "group": f"g{n // 3}", "source": f"s{n % 4}", "id": f"r{n}"} for n in range(40)]
    other = random.sample(rows, len(rows))
    for stage in (
        Split(),
        Split(train="rest", validation=9, test=6, stratify=("source",)),
        Split(stratify=("source",), hold_out=HoldOut(source=("s1",))),
    ):
        one, two = (
            documents(*rows),
            documents(*other).with_columns(origin=pl.lit(None, dtype=documents("x").schema["origin"])),
        )
        kept, dropped = run_corpus_stage(stage, [one])
        again, dropped_again = run_corpus_stage(stage, [two[:cut], two[cut:]])
        assert again.drop("origin").sort("id").equals(kept.drop("origin").sort("id"))
        assert dropped_again.drop("origin").sort("id").equals(dropped.drop("origin").sort("id"))


def test_no_rows_are_no_error(documents, run_corpus_stage):
    for stage in (
        Split(),
        Split(stratify=("source",)),
        Split(hold_out=HoldOut(source=("x",))),
        Split(train="rest", validation=0, test=0),
    ):
        assert run_corpus_stage(stage, [documents("x")[:0]])[0].is_empty()
