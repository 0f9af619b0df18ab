import json

from instructkit.schema import Message, Span
from instructkit.stages.export.openai import ExportOpenai

PAIR = [("user", "q"), ("assistant", "a")]


def test_a_pair_is_messages_with_its_id(examples, exported):
    rows, _ = exported(ExportOpenai(), examples(PAIR))
    assert rows == [{"id": "e0", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]


def test_extras_off_writes_the_formats_keys_only(examples, exported):
    rows, dropped = exported(ExportOpenai(extras=False), examples(PAIR, {"messages": PAIR, "weight": 0.5}))
    assert [list(row) for row in rows] == [["messages"]]
    assert dropped == [("e1", "weights")]


def test_weight_and_repeats_of_an_example_are_not_lost(examples, exported):
    rows, _ = exported(ExportOpenai(), examples({"messages": PAIR, "weight": 0.5, "repeats": 2.0}))
    assert (rows[0]["weight"], rows[0]["repeats"]) == (0.5, 2.0)


def test_an_untrained_turn_says_so(examples, exported):
    turns = [("user", "q"), Message(role="assistant", content="bad", weight=0.0), ("user", "r"), ("assistant", "a")]
    rows, _ = exported(ExportOpenai(), examples(turns))
    assert [m.get("weight") for m in rows[0]["messages"]] == [None, 0, None, None]


def test_arguments_of_tool_calls_are_json_text(examples, exported, call):
    turns = [
        ("user", "Weather?"),
        Message(role="assistant", content="", tool_calls=call),
        Message(role="tool", content="sunny", tool_call_id="c1"),
        ("assistant", "Sunny."),
    ]
    tools = json.dumps([{"type": "function", "function": {"name": "weather"}}])
    rows, _ = exported(ExportOpenai(), examples({"messages": turns, "tools": tools}))
    asked = rows[0]["messages"][1]
    assert "content" not in asked
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"city": "Rome"}
    assert rows[0]["messages"][2]["tool_call_id"] == "c1"
    assert rows[0]["tools"] == json.loads(tools)


def test_what_has_no_place_is_dropped_with_its_reason_or_left_out_when_allowed(examples, exported):
    shard = examples(
        [("user", "q"), Message(role="assistant", content="a", reasoning="since")],
        [("user", "q"), Message(role="assistant", content="a", spans=[Span(start=0, end=1, weight=0.0)])],
        [("user", "q"), Message(role="assistant", content="a", weight=0.5)],
        [Message(role="user", content="q", weight=1.0), ("assistant", "a")],
        [("user", "q")],
    )
    rows, dropped = exported(ExportOpenai(), shard)
    assert rows == []
    assert [rule for _, rule in dropped] == ["reasoning", "spans", "weights", "weights", "turns"]
    rows, dropped = exported(ExportOpenai(lossy="allow"), shard)
    assert [row["id"] for row in rows] == ["e0", "e1", "e2", "e3"]
    assert dropped == [("e4", "turns")]


def test_a_plain_text_is_no_conversation(examples, exported):
    rows, dropped = exported(ExportOpenai(), examples([("text", "The moon.")], [("user", "q"), ("assistant", "a")]))
    assert len(rows) == 1
    assert dropped == [("e0", "text")]
