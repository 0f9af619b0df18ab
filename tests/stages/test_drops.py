import polars as pl

from instructkit.schema import Drop, check
from instructkit.stages.drops import sort_out


def test_rows_with_a_rule_go_and_drops_are_of_their_noun(examples):
    shard = examples({"messages": [], "template": "qa/a"}, {"messages": []}, {"messages": [], "template": "qa/b"})
    kept, dropped = sort_out(shard, pl.DataFrame({"rule": ["short", None, "long"], "value": ["1", None, "9"]}))
    assert kept["id"].to_list() == ["e1"]
    check(Drop, dropped, "test")
    assert dropped.select("id", "template", "rule", "value", "threshold", "step").rows() == [
        ("e0", "qa/a", "short", "1", None, None),
        ("e2", "qa/b", "long", "9", None, None),
    ]


def test_documents_have_no_template_to_name(documents):
    _, dropped = sort_out(documents("x"), pl.DataFrame({"rule": ["short"]}))
    assert dropped["template"].to_list() == [None]
    assert dropped["origin"].to_list() == [{"file": "f", "line": 1}]
