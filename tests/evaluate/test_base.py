import json

import pytest

from instructkit.evaluate.base import base_of, examples_of, measured_before
from instructkit.evaluate.run import compared, measure_model


@pytest.fixture
def training(tmp_path):
    """The folder of a training: its run.json names the base."""

    def make(base, **fields):
        (tmp_path / "run.json").write_text(json.dumps({"key": "k", "made_of": {}, "base": base, **fields}))
        return str(tmp_path / "model")

    return make


def test_the_base_of_a_training_is_found_beside_it(training, tmp_path):
    (tmp_path / "models" / "small").mkdir(parents=True)
    assert base_of(training("models/small")) == str(tmp_path / "models" / "small")
    assert base_of(training("someone/model-7b")) == "someone/model-7b"
    assert base_of(training(None)) is None
    assert base_of(str(tmp_path / "elsewhere" / "model")) is None


def test_a_training_names_the_step_of_its_examples(training, tmp_path):
    assert examples_of(training(None, examples="chats")) == "chats"
    assert examples_of(training(None)) is None
    assert examples_of(str(tmp_path / "elsewhere" / "model")) is None


def test_what_was_measured_before_training_is_column_zero(saved, examples, training, tmp_path):
    model, after = training(None), measure_model(saved, examples, by=["template"])
    assert measured_before(model, after, ["template"]) is None
    (tmp_path / "evaluation").mkdir()
    stale = after.rows.with_columns(loss=after.rows["loss"] + after.rows["weight"]).head(30)
    stale.write_parquet(tmp_path / "evaluation/before.parquet")
    before = measured_before(model, after, ["template"])
    assert before.evaluation.notes == ["the model before training was measured on 30 of these 40 examples"]
    found = compared(before, after, ["template"])
    assert found.change("all", "all").value == pytest.approx(-1)
    assert found.change("all", "all").examples == 30


def test_nothing_measured_on_these_examples_is_no_column(saved, examples, training, tmp_path):
    model, after = training(None), measure_model(saved, examples, by=[])
    (tmp_path / "evaluation").mkdir()
    other = after.rows.with_columns(content_hash=after.rows["content_hash"] + "x")
    other.write_parquet(tmp_path / "evaluation/before.parquet")
    assert measured_before(model, after, []) is None
