import polars as pl
import pytest

from instructkit.errors import UsageFault
from instructkit.evaluate.result import BeforeAfter, Evaluation, Slice, write_evaluations
from instructkit.report.ledger import chosen, class_table, drawn, entry_lines, helped_table, read_ledger, visit_lines
from instructkit.schema import LedgerEntry, Origin, Visit, frame


def entry(name, **more):
    known = {
        "content_hash": "c", "template": "a", "source": "s", "task": None, "language": None, "group": "g",
        "document_ids": ["d1"], "origin": Origin(file="f.jsonl", line=3), "tokens": 10, "before": 4.0,
        "during": [Visit(step=3, loss=2.0)], "after": 1.0, "class_": "learned", "value": None, "threshold": None,
    }  # fmt: skip
    return LedgerEntry(id=name, **{**known, **more})


@pytest.fixture
def ledger():
    rows = [
        entry("e0"),
        entry("e1", tokens=30, after=2.0, document_ids=["d1", "d2"]),
        entry("e2", template="b", class_="suspicious", value=2.5, threshold=1.0, after=3.0, document_ids=["d2"]),
        entry("e3", template="b", class_="suspicious", value=5.0, threshold=1.0, after=3.5),
        entry("e4", template="b", before=None, after=None, class_=None),
    ]
    return frame(LedgerEntry, rows)


def test_the_template_with_most_to_look_at_stands_first(ledger):
    table = class_table(ledger, "template")
    named = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["template"] for row in named] == ["b", "a"]
    assert (named[0]["examples"], named[0]["suspicious"], named[0]["unjudged"]) == (3, 2, 1)
    assert named[1]["learned"] == 2
    # By token, over what was measured both times: (10 · 1 + 30 · 2) / 40.
    assert (named[1]["before"], named[1]["after"]) == (4.0, 1.75)


def test_an_example_counts_for_each_of_its_documents(ledger):
    rows = {row[0]: row[1] for row in class_table(ledger, "document").rows}
    assert rows == {"d1": 4, "d2": 2}
    assert len(class_table(ledger, "document", limit=1).rows) == 1


def test_falls_of_training_and_held_out_losses_stand_side_by_side(ledger, tmp_path):
    def evaluation(loss):
        parts = [Slice(by="template", name="a", examples=1, tokens=5, loss=loss)]
        return Evaluation(split="test", overall=parts[0], slices=parts)

    path = tmp_path / "evaluation.json"
    write_evaluations(path, BeforeAfter(before=evaluation(4.5), after=evaluation(2.0)))
    rows = {row[0]: row[1:] for row in helped_table(ledger, path, "template").rows}
    assert rows["a"] == (40, 4.0, 1.75, 2.25, 4.5, 2.0, 2.5)
    assert rows["b"][4:] == (None, None, None)
    assert helped_table(ledger, tmp_path / "none.json", "source").rows[0][0] == "s"
    assert helped_table(ledger, path, "document") is None


def test_examples_furthest_beyond_the_bound_come_first(ledger):
    assert chosen(ledger, ["suspicious"], None, None)["id"].to_list() == ["e3", "e2"]
    assert chosen(ledger, [], "a", "d2")["id"].to_list() == ["e1"]
    with pytest.raises(UsageFault, match="template 'c'"):
        chosen(ledger, [], "c", None)


def test_an_example_is_told_with_place_template_documents_and_the_way_of_its_loss(ledger):
    text = "\n".join(entry_lines(ledger.filter(id="e2")))
    for part in (
        "e2",
        "f.jsonl:3",
        "suspicious",
        "2.500, bound 1.000",
        "b, 10 supervised tokens",
        "4.000",
        "3.000",
        "d2",
    ):
        assert part in text
    assert "unjudged" in "\n".join(entry_lines(ledger.filter(id="e4")))


def test_losses_are_drawn_from_zero_to_the_largest():
    visits = [Visit(step=i, loss=8.0 - i / 10) for i in range(1, 80)]
    assert drawn(entry("x", before=8.0, during=visits, after=0.0)).startswith("███▇▇▆")
    assert len(drawn(entry("x", during=visits))) == 18
    assert drawn(entry("x", before=None, during=[], after=None)) == ""
    assert drawn(entry("x", before=0.0, during=[], after=0.0)) == "▁▁"
    lines = visit_lines(entry("x"))
    assert [line.split()[0] for line in lines] == ["before", "step", "after"]
    assert lines[0].count("█") == 40 == 4 * lines[2].count("█")


def test_another_parquet_file_is_no_ledger(tmp_path):
    pl.DataFrame({"id": ["x"]}).write_parquet(tmp_path / "ledger.parquet")
    with pytest.raises(UsageFault, match="not a ledger of this version"):
        read_ledger(tmp_path / "ledger.parquet")
