"""The ledger of real trainings: wrong answers that were planted stand out, and a run that was stopped has the same."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from instructkit.schema import LedgerEntry, columns, records
from instructkit.train.config.ledger import Ledger
from instructkit.train.run import train
from instructkit.train.watch.ledger import ABOUT, choose, entries


@pytest.fixture(scope="module")
def taught(colour_examples, write, plant, small, tmp_path_factory):
    """Ledger and ids of the wrong answers of a training on colours of which a share is wrong."""

    def run(share):
        folder = tmp_path_factory.mktemp("taught")
        examples, wrong = plant(colour_examples(300), share)
        config = small(sequence_length=96, max_steps=100, learning_rate=1e-2, ledger=True)
        train(config, write(examples, folder / "data"), folder / "run", dataset_hash="d")
        return pl.read_parquet(folder / "run/ledger.parquet"), wrong

    return run


def test_planted_wrong_answers_are_what_is_suspicious(taught):
    ledger, wrong = taught(0.05)
    suspicious = set(ledger.filter(pl.col("class") == "suspicious")["id"])
    assert len(wrong) >= 10
    assert len(suspicious & wrong) / len(suspicious) >= 0.9
    assert len(suspicious & wrong) / len(wrong) >= 0.7


def test_right_answers_are_learned(taught):
    ledger, _ = taught(0.0)
    assert ledger.filter(pl.col("class") != "learned").height <= 0.02 * ledger.height
    assert ledger.schema == columns(LedgerEntry)
    for entry in records(LedgerEntry, ledger.head(5)):
        assert entry.before > 4 > 1 > entry.after
        assert len(entry.during) > 5
        assert entry.tokens > 1
        assert (entry.source, entry.task, entry.origin.file) == ("colours", "colour", "colours.jsonl")


def test_losses_of_the_ledger_are_those_of_the_steps(run_with_ledger):
    out, ledger = run_with_ledger("run")
    steps = (
        ledger.explode("during")
        .unnest("during")
        .group_by("step")
        .agg((pl.col("loss") * pl.col("tokens")).sum(), pl.col("tokens").sum())
    )
    lines = {line["step"]: line for line in map(json.loads, (out / "metrics.jsonl").read_text().splitlines())}
    assert sorted(lines) == sorted(steps["step"])
    for step, loss, tokens in steps.iter_rows():
        assert tokens == lines[step]["supervised_tokens"]
        assert loss / tokens == pytest.approx(lines[step]["loss"], rel=1e-5)


@pytest.fixture
def run_with_ledger(shards, small, tmp_path):
    def go(name, progress=None, **fields):
        config = small(**{"ledger": True, "checkpoint_every": 2, "evaluate_examples": 5, **fields})
        train(config, shards, tmp_path / name, dataset_hash="d", progress=progress)
        return tmp_path / name, pl.read_parquet(tmp_path / name / "ledger.parquet")

    return go


def test_a_ledger_does_not_depend_on_stops_in_between(run_with_ledger):
    class Stop(Exception):
        pass

    def stop_at(step):
        def progress(event):
            if event.phase == "train" and event.done == step:
                raise Stop

        return progress

    _, whole = run_with_ledger("whole")
    for step in (1, 5):
        with pytest.raises(Stop):
            run_with_ledger("stopped", stop_at(step))
    out, stopped = run_with_ledger("stopped")
    assert stopped.equals(whole)
    assert not (out / "ledger").exists()


def test_a_ledger_changes_nothing_in_the_training(run_with_ledger, small, shards, tmp_path):
    def losses(out):
        return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]

    with_it, _ = run_with_ledger("with")
    train(small(checkpoint_every=2, evaluate_examples=5), shards, tmp_path / "without", dataset_hash="d")
    assert not (tmp_path / "without/ledger.parquet").exists()
    assert losses(with_it) == losses(tmp_path / "without")


def test_only_so_many_examples_are_measured_before_and_after(run_with_ledger):
    _, ledger = run_with_ledger("few", ledger=Ledger(examples=30))
    measured = ledger.filter(pl.col("before").is_not_null())
    assert measured.height == 30 == ledger["after"].count() == ledger["class"].count()
    assert ledger.height > 100
    assert ledger["during"].list.len().min() >= 1
    assert measured["template"].value_counts().sort("template").rows() == [("ask0", 15), ("ask1", 15)]


def test_a_ledger_that_is_turned_on_late_says_that_it_has_no_losses_from_before(
    run_with_ledger, small, shards, tmp_path
):
    class Stop(Exception):
        pass

    def stop(event):
        if event.phase == "train" and event.done == 5:
            raise Stop

    with pytest.raises(Stop):
        train(
            small(checkpoint_every=2, evaluate_examples=5), shards, tmp_path / "late", dataset_hash="d", progress=stop
        )
    result = train(
        small(checkpoint_every=2, evaluate_examples=5, ledger=True), shards, tmp_path / "late", dataset_hash="d"
    )
    assert any("no losses before training" in note for note in result.notes)
    ledger = pl.read_parquet(tmp_path / "late/ledger.parquet")
    assert ledger["before"].null_count() == ledger.height
    assert ledger["after"].null_count() == 0


def test_a_finished_run_without_a_ledger_says_how_to_get_one(small, shards, tmp_path):
    said = []
    train(small(), shards, tmp_path / "run", dataset_hash="d")
    train(
        small(ledger=True), shards, tmp_path / "run", dataset_hash="d", progress=said.append, start_over="again --fresh"
    )
    messages = [event.message for event in said]
    assert "of no effect on a finished run: ledger: false → true" in messages
    assert any("again --fresh" in (message or "") for message in messages)


def test_the_choice_is_even_over_templates_and_depends_on_ids_alone():
    about = pl.DataFrame({"id": [f"x{i}" for i in range(60)], "template": ["a"] * 50 + ["b"] * 5 + [None] * 5})
    everything = np.arange(60)
    chosen = choose(about, everything, 18, seed=3)
    assert about["template"][chosen].fill_null("-").value_counts().sort("template")["count"].to_list() == [5, 8, 5]
    turned = about.reverse()
    assert set(turned["id"][choose(turned, everything, 18, seed=3)]) == set(about["id"][chosen])
    assert choose(about, everything[:5], None, seed=3).tolist() == [0, 1, 2, 3, 4]


def test_pieces_of_a_text_are_one_example_and_their_losses_one_mean():
    schema = {name: dtype for name, dtype in columns(LedgerEntry).items() if name in ABOUT}
    about = pl.DataFrame([{**dict.fromkeys(schema), "id": name} for name in ("a", "a", "b")], schema=schema)
    data = SimpleNamespace(supervised=np.array([2, 6, 3]))
    before, after = [(0, 0, 4.0, 2.0), (1, 0, 2.0, 6.0)], [(0, 4, 1.0, 2.0), (1, 4, 1.0, 6.0)]
    rows = [*before, (0, 1, 3.0, 2.0), (1, 2, 1.0, 6.0), (2, 1, 5.0, 3.0), *after]
    journal = pl.DataFrame(rows, schema=["example", "step", "loss", "weight"], orient="row")
    found = {row["id"]: row for row in entries(about, data, journal, steps=3).iter_rows(named=True)}
    assert (found["a"]["tokens"], found["a"]["before"], found["a"]["after"]) == (8, 2.5, 1.0)
    assert found["a"]["during"] == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}]
    assert (found["b"]["before"], found["b"]["during"]) == (None, [{"step": 1, "loss": 5.0}])
