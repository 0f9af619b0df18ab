import json
import math

import polars as pl
import pytest

from instructkit.errors import UsageFault
from instructkit.evaluate.losses import ABOUT, measure
from instructkit.evaluate.slices import check_columns, loss_changes, loss_slices


def rows(count=40, **columns):
    """As `measure` gives them: loss 2 nats a token, tokens of unequal number."""
    given = {name: [None] * count for name in ABOUT} | {
        "id": [f"x{i}" for i in range(count)],
        "content_hash": ["h"] * count,
        "group": [f"g{i // 2}" for i in range(count)],
        "template": [f"t{i % 2}" for i in range(count)],
        "meta": [json.dumps({"level": "hard" if i % 4 else "easy"}) for i in range(count)],
        "file": ["f"] * count,
        "tokens": [i % 7 + 1 for i in range(count)],
        "weight": [float(i % 7 + 1) for i in range(count)],
        "loss": [(2.0 + 0.1 * (i % 3)) * (i % 7 + 1) for i in range(count)],
    }
    return pl.DataFrame(given | columns)


def test_a_slice_has_loss_interval_and_perplexity():
    whole, first, second = loss_slices(rows(), ["template"])
    assert (whole.by, first.name, second.name) == ("all", "t0", "t1")
    assert whole.examples == first.examples + second.examples == 40
    assert whole.groups == 20
    for part in (whole, first, second):
        assert part.low < part.loss < part.high
        assert part.perplexity == pytest.approx(math.exp(part.loss))


def test_slices_are_by_any_column_and_by_keys_of_meta():
    parts = loss_slices(rows(), ["meta.level", "language", "file"])[1:]
    assert [(p.by, p.name, p.examples) for p in parts] == [
        ("meta.level", "easy", 10),
        ("meta.level", "hard", 30),
        ("language", "-", 40),
        ("file", "f", 40),
    ]


def test_an_unknown_column_is_a_usage_fault():
    with pytest.raises(UsageFault, match=r"did you mean 'source'.*meta\.KEY"):
        check_columns(["sourse"])


def test_a_change_is_that_of_the_ratio_on_the_examples_that_both_have():
    before = rows().with_columns(loss=pl.col("loss") + 0.5 * pl.col("weight"))
    changes = loss_changes(before.head(30), rows(), ["template"])
    assert [(c.by, c.name, c.examples) for c in changes] == [
        ("all", "all", 30),
        ("template", "t0", 15),
        ("template", "t1", 15),
    ]
    assert all(c.value == pytest.approx(-0.5) for c in changes)


def test_an_example_with_other_content_is_another_example():
    before = rows().with_columns(
        content_hash=pl.when(pl.col("id") == "x0").then(pl.lit("old")).otherwise("content_hash")
    )
    assert loss_changes(before, rows(), [])[0].examples == 39


def test_nothing_in_common_is_no_change():
    assert loss_changes(rows().with_columns(id=pl.lit("y") + pl.col("id")), rows(), ["template"]) == []


def test_what_was_not_measured_is_in_no_slice(runner, chat, examples):
    measured = measure(runner, chat, examples, 20)
    assert measured.overlong > 0
    assert loss_slices(measured.rows, [])[0].examples == 40 - measured.overlong


def test_no_rows_are_a_slice_without_loss(runner, chat, examples):
    (whole,) = loss_slices(measure(runner, chat, examples, 1).rows, [])
    assert (whole.examples, whole.loss, whole.perplexity, whole.low) == (0, None, None, None)
