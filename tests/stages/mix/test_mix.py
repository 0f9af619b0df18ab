import polars as pl
import pytest

from instructkit.errors import StageError
from instructkit.stages.mix.mix import Mix

SQUAD, ALPACA = [{"source": "squad", "task": "qa"}] * 30, [{"source": "alpaca", "task": "chat"}] * 10


def test_weights_take_so_many_rows_of_each(rows_of, mix, times):
    kept, dropped = mix(Mix(weights={"squad": 1, "alpaca": 1}), rows_of(SQUAD + ALPACA))
    assert times(kept) == {"alpaca": 10, "squad": 10}
    assert dropped["rule"].unique().to_list() == ["mix_weight"]
    first = dropped.row(0, named=True)
    assert (first["value"], first["threshold"]) == ("source 'squad'", "10 rows")
    assert first["detail"] == "weight 1 of 2: 10 rows come up, of other rows"


def test_a_budget_is_met_to_the_row_with_repeats_where_epochs_allow_them(rows_of, mix, times):
    kept, dropped = mix(Mix(weights={"squad": 1, "alpaca": 3}, rows=41, epochs=4), rows_of(SQUAD + ALPACA))
    assert times(kept) == {"alpaca": 31, "squad": 10}
    assert kept.filter(source="alpaca")["repeats"].sort().to_list() == [3.0] * 9 + [4.0]
    assert dropped.height == 20


def test_a_mix_without_settings_keeps_every_row_as_it_is(rows_of, mix):
    rows = rows_of([*SQUAD, {"source": "new", "task": None}])
    kept, dropped = mix(Mix(), rows)
    assert kept.equals(rows)
    assert dropped.is_empty()


def test_temperature_gives_small_sources_a_larger_part(rows_of, mix, times):
    rows = rows_of([{"source": "large"}] * 400 + [{"source": "small"}] * 100)
    assert times(mix(Mix(rows=100), rows)[0]) == {"large": 80, "small": 20}
    assert times(mix(Mix(rows=99, temperature=2), rows)[0]) == {"large": 66, "small": 33}
    assert times(mix(Mix(rows=100, temperature=1e9), rows)[0]) == {"large": 50, "small": 50}


def test_caps_come_first_and_weights_weigh_what_they_left(rows_of, mix, times):
    kept, dropped = mix(Mix(caps={"source": 10}, rows=15), rows_of(SQUAD + SQUAD + ALPACA))
    assert times(kept) == {"alpaca": 8, "squad": 7}
    assert dict(dropped["rule"].value_counts().iter_rows()) == {"mix_cap": 50, "mix_weight": 5}
    over = dropped.filter(rule="mix_cap").row(0, named=True)
    assert (over["value"], over["threshold"]) == ("source 'squad'", "10 rows")
    assert over["detail"] == "the cap of source 'squad' is full of other rows"


def test_a_cap_can_be_for_one_value_alone(rows_of, mix, times):
    kept, _ = mix(Mix(caps={"source": {"squad": 5}, "task": 8}), rows_of(SQUAD + ALPACA))
    assert times(kept) == {"alpaca": 8, "squad": 5}


def test_weight_zero_leaves_a_source_out_and_says_so(rows_of, mix, times):
    kept, dropped = mix(Mix(weights={"squad": 1, "alpaca": 0}), rows_of(SQUAD + ALPACA))
    assert times(kept) == {"squad": 30}
    assert set(dropped["detail"]) == {"weight 0 of 1: no row comes up"}


def test_rows_without_a_value_are_one_more_value(rows_of, mix, times):
    rows = rows_of([{"task": "qa"}] * 6 + [{"task": None}] * 6)
    kept, _ = mix(Mix(by="task", weights={"qa": 2, "-": 1}, rows=9), rows)
    assert times(kept, "task") == {None: 3, "qa": 6}


def test_rows_of_other_splits_pass_untouched(rows_of, mix, times):
    rows = rows_of([{"split": split} for split in ("train", "validation", "test", None) for _ in range(10)])
    kept, dropped = mix(Mix(rows=40, epochs=4), rows)
    assert times(kept, "split")["train"] + times(kept, "split")[None] == 40
    others = kept.filter(pl.col("split").is_in(["validation", "test"]))
    assert others.equals(rows.filter(pl.col("split").is_in(["validation", "test"])))
    assert dropped.is_empty()


def test_repeats_that_were_there_are_multiplied(rows_of, mix):
    rows = rows_of([{"repeats": 0.5}, {"repeats": 2.0}])
    assert mix(Mix(rows=4, epochs=2), rows)[0]["repeats"].to_list() == [1.0, 4.0]


def test_fractions_of_epochs_are_exact(rows_of, mix):
    # 100 * 1.15 is 114.99... in binary
    kept, _ = mix(Mix(rows=115, epochs=1.15), rows_of([{}] * 100))
    assert kept["repeats"].sum() == 115


def test_a_budget_that_repeats_too_much_stops_and_says_what_would_do(rows_of, mix):
    rows = rows_of(SQUAD + ALPACA)
    stage = Mix(weights={"squad": 1, "alpaca": 3}, rows=100, epochs=2)
    with pytest.raises(StageError) as error:
        mix(stage, rows)
    assert "source 'alpaca' has 10 and is to give 75" in str(error.value)
    assert "lower rows to 26, or raise epochs to 7.5, or change the weights" in str(error.value)
    assert mix(Mix(weights=stage.weights, rows=26, epochs=2), rows)[0]["repeats"].sum() == 26
    assert mix(Mix(weights=stage.weights, rows=100, epochs=7.5), rows)[0]["repeats"].sum() == 100


def test_a_budget_of_no_rows_at_all_stops(rows_of, mix):
    with pytest.raises(StageError, match="is more than the rows give"):
        mix(Mix(rows=5), rows_of([{"split": "test"}]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": {"sqaud": 1, "alpaca": 1}}, "weights: no row has the source 'sqaud'; did you mean 'squad'?"),
        ({"weights": {"squad": 1}}, "weights: source 'alpaca' occurs and has no weight"),
        ({"caps": {"task": {"q_a": 5}}}, "caps: task: no row has the task 'q_a'; did you mean 'qa'?"),
    ],
)
def test_a_value_that_is_misnamed_or_forgotten_stops_the_build(rows_of, mix, settings, said):
    with pytest.raises(StageError, match=said.replace("?", r"\?")):
        mix(Mix(**settings), rows_of(SQUAD + ALPACA))


def test_an_id_that_stands_twice_is_refused(rows_of, mix):
    with pytest.raises(StageError, match="stands more than once"):
        mix(Mix(), rows_of([{"id": "a"}, {"id": "a"}]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"caps": {"taks": 5}}, "caps: no column 'taks'; did you mean 'task'? (columns: source, task, template,"),
        ({"rows": 5, "tokens": 5, "tokenizer": "t"}, "rows and tokens are two budgets"),
        ({"tokens": 5}, "tokens: needs `tokenizer`"),
        ({"tokenizer": "t"}, "tokenizer is only looked at with `tokens`"),
        ({"weights": {"a": 0}}, "weights: none is above 0"),
        ({"weights": {"a": 1}, "temperature": 2.0}, "temperature is for a mix without `weights`"),
    ],
)
def test_settings_that_do_not_go_together_are_faults(settings, said):
    (fault,) = Mix(**settings).faults()
    assert said in fault
