"""Any mix of any rows: counts are exact, the plan says what the build does, and shards change nothing."""

import re

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.stages.mix.mix import Mix

LAWS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

rows = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["web", "book", "forum"]),
            "task": st.sampled_from(["qa", "chat", None]),
            "template": st.sampled_from(["a", "b"]),
            "split": st.sampled_from(["train", "train", "train", "test", None]),
        }
    ),
    min_size=1,
    max_size=40,
)
limits = st.one_of(st.integers(0, 15), st.dictionaries(st.sampled_from(["web", "book"]), st.integers(0, 9)))
plans = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["source", "task", "template"]),
        "caps": st.dictionaries(st.just("source"), limits),
        "temperature": st.sampled_from([1.0, 0.5, 2.0, 5.0]),
        "rows": st.one_of(st.none(), st.integers(1, 80)),
        "epochs": st.sampled_from([1.0, 2.0, 3.5, 10.0]),
        "seed": st.integers(0, 3),
    }
)


def weighted(stage, frame, data):
    """The stage, half of the times with a weight for each value that occurs."""
    values = frame.filter(pl.col("split").fill_null("train") == "train")[stage.by].fill_null("-").unique().sort()
    if not len(values) or data.draw(st.booleans()):
        return stage
    weights = {value: data.draw(st.sampled_from([0, 1, 2.5, 7])) for value in values}
    assume(any(weights.values()))
    return Mix(by=stage.by, caps=stage.caps, rows=stage.rows, epochs=stage.epochs, seed=stage.seed, weights=weights)


def table_of(lines):
    """Labels → numbers, as the plan's table says them; the columns are separated by two spaces or more."""
    heading, *rest = [re.split(r"\s{2,}", line) for line in lines if "pass as they are" not in line]
    numbers = heading.index("rows")
    table = {tuple(line[:numbers]): [cell.replace(",", "") for cell in line[numbers:]] for line in rest[:-1]}
    return table | {("all",): [cell.replace(",", "") for cell in rest[-1][1:]]}


def table_of_the_built(before, kept, dropped, by):
    """The same, counted in what a build gave."""
    mine = kept.select("id", "repeats").join(before.drop("repeats"), on="id", how="left")
    gone = dropped.select("id", "rule").join(before, on="id", how="left").with_columns(repeats=pl.lit(0.0))
    rows = pl.concat([mine, gone], how="diagonal").filter(pl.col("split").fill_null("train") == "train")
    labels = list(dict.fromkeys([by, "source", "task"]))
    groups = rows.with_columns(pl.col(labels).fill_null("-")).partition_by(labels, as_dict=True)
    return {label: numbers_of(part) for label, part in groups.items()} | {("all",): numbers_of(rows)}


def numbers_of(rows):
    repeats = [int(times) for times in rows["repeats"] if times]
    least, most = (min(repeats), max(repeats)) if repeats else (None, None)
    said = "-" if least is None else f"{least}" if least == most else f"{least} to {most}"
    rules = rows["rule"].to_list() if "rule" in rows.columns else []
    counts = [rows.height, rules.count("mix_cap"), rules.count("mix_weight"), len(repeats)]
    return [*map(str, counts), said, str(sum(repeats))]


@LAWS
@given(rows, plans, st.data())
def test_counts_are_exact_the_plan_says_what_is_built_and_shards_change_nothing(rows_of, mix, rows, plans, data):
    frame = rows_of(rows)
    stage = weighted(Mix(**plans), frame, data)
    try:
        said = stage.outlook(frame.lazy())
    except StageError as error:
        with pytest.raises(StageError, match=re.escape(str(error))):
            mix(stage, frame)
        return
    kept, dropped = mix(stage, frame)

    mine = kept.filter(pl.col("split").fill_null("train") == "train")
    others = frame.filter(pl.col("split") == "test")
    assert kept.filter(pl.col("split") == "test").equals(others)
    if stage.rows is not None:
        assert mine["repeats"].sum() == stage.rows
    by_value = mine.group_by(pl.col(stage.by).fill_null("-").alias("value")).agg(
        spread=pl.col("repeats").max() - pl.col("repeats").min(), times=pl.col("repeats").sum()
    )
    assert (by_value["spread"] <= 1).all()
    assert set(dropped["rule"]) <= {"mix_cap", "mix_weight"}

    assert table_of(said) == table_of_the_built(frame, kept, dropped, stage.by)

    for size in (1, 7):
        again = mix(stage, frame.sample(fraction=1, shuffle=True, seed=stage.seed), size)
        assert again[0].sort("id").equals(kept.sort("id"))
        assert again[1].sort("id").equals(dropped.sort("id"))
