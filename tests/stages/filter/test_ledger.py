import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import InputError
from instructkit.schema import LedgerEntry, Origin, Visit, frame
from instructkit.stages.filter.ledger import FilterLedger

CLASSES = ["learned", "never-learned", "forgotten", "memorised", "suspicious", None]


@pytest.fixture
def ledger(tmp_path):
    """A ledger of examples e0, e1, … with the classes given; content hashes as the fixture `examples` makes them."""

    def write(classes, name="ledger.parquet"):
        rows = [
            LedgerEntry(
                id=f"e{i}", content_hash=f"c{i}", template="t", source="s", task=None, language=None, group=f"g{i}",
                document_ids=[], origin=Origin(file="f"), tokens=5, before=3.25, during=[Visit(step=1, loss=3.0)],
                after=2.5, class_=name, value=1.75, threshold=0.5,
            )
            for i, name in enumerate(classes)
        ]  # fmt: skip
        frame(LedgerEntry, rows).write_parquet(tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def shard(examples):
    return lambda count: examples(*[[("user", f"q{i}"), ("assistant", f"a{i}")] for i in range(count)])


def noted(kept):
    return {row["id"]: json.loads(row["meta"]).get("ledger") for row in kept.iter_rows(named=True)}


def test_examples_of_the_named_classes_go_with_the_losses_that_decided(ledger, shard):
    stage = FilterLedger(ledger=ledger(["learned", "suspicious", "never-learned"]), drop=("suspicious", "forgotten"))
    kept, dropped = stage.apply(shard(3))
    assert kept["id"].to_list() == ["e0", "e2"]
    assert dropped.select("id", "rule", "value", "threshold", "detail").rows() == [
        (
            "e1",
            "ledger",
            "suspicious",
            "suspicious, forgotten",
            "loss 3.25 before, 2.5 after training; suspicious by 1.75, bound 0.5",
        )
    ]


def test_an_example_whose_text_has_changed_since_is_kept_and_said_to_be(ledger, shard):
    stage = FilterLedger(ledger=ledger(["suspicious", "suspicious"]))
    rows = shard(2).with_columns(content_hash=pl.Series(["c0", "another"]))
    kept, dropped = stage.apply(rows)
    assert dropped["id"].to_list() == ["e0"]
    assert noted(kept) == {"e1": "changed"}


def test_what_is_kept_says_what_the_ledger_has_of_it(ledger, shard):
    kept, _ = FilterLedger(ledger=ledger(["learned", None, "memorised"])).apply(shard(4))
    assert noted(kept) == {"e0": "learned", "e1": "unjudged", "e2": "memorised", "e3": None}


def test_a_file_that_is_no_ledger_is_refused_by_name(tmp_path, shard):
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: not the ledger of a training"):
        FilterLedger(ledger=str(tmp_path / "other.parquet")).apply(shard(1))


def test_an_id_that_stands_twice_is_refused(ledger, tmp_path, shard):
    twice = pl.read_parquet(ledger(["learned"]))
    pl.concat([twice, twice]).write_parquet(tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="names e0 twice"):
        FilterLedger(ledger=str(tmp_path / "twice.parquet")).apply(shard(1))


def test_dropping_every_class_is_a_fault():
    (fault,) = FilterLedger(ledger="x", drop=tuple(name for name in CLASSES if name)).faults()
    assert "all classes" in fault


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(CLASSES), max_size=8), st.sets(st.sampled_from(CLASSES[:-1]), min_size=1), st.data())
def test_rows_in_are_kept_and_dropped_by_class_alone(ledger, shard, classes, drop, data):
    name = f"{data.draw(st.uuids())}.parquet"
    rows = shard(8)
    kept, dropped = FilterLedger(ledger=ledger(classes, name), drop=tuple(sorted(drop))).apply(rows)
    assert set(dropped["id"]) == {f"e{i}" for i, found in enumerate(classes) if found in drop}
    assert kept.height + dropped.height == rows.height
    assert kept.drop("meta").equals(rows.filter(~pl.col("id").is_in(dropped["id"].implode())).drop("meta"))
