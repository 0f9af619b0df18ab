import json

from instructkit.schema import Message
from instructkit.stages.export.sharegpt import ExportSharegpt


def test_speakers_have_the_names_of_the_format(examples, exported):
    rows, _ = exported(ExportSharegpt(extras=False), examples([("system", "s"), ("user", "q"), ("assistant", "a")]))
    said = [("system", "s"), ("human", "q"), ("gpt", "a")]
    assert rows == [{"conversations": [{"from": who, "value": what} for who, what in said]}]


def test_a_tool_call_is_a_turn_of_its_own(examples, exported, call):
    turns = [
        ("user", "Weather?"),
        Message(role="assistant", content="", tool_calls=call),
        Message(role="tool", content="sunny", tool_call_id="c1"),
        ("assistant", "Sunny."),
    ]
    rows, _ = exported(ExportSharegpt(), examples({"messages": turns, "tools": "[]"}))
    said = rows[0]["conversations"]
    assert [turn["from"] for turn in said] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(said[1]["value"]) == {"name": "weather", "arguments": {"city": "Rome"}}


def test_what_the_format_cannot_say_is_dropped_with_its_reason(examples, exported, call):
    twice = json.dumps(json.loads(call) * 2)
    shard = examples(
        [("user", "q"), ("user", "r"), ("assistant", "a")],
        [("user", "q")],
        [("user", "q"), Message(role="assistant", content="Let me see", tool_calls=call)],
        [("user", "q"), Message(role="assistant", content="", tool_calls=twice)],
        [("developer", "q"), ("assistant", "a")],
        [("user", "q"), Message(role="assistant", content="a", weight=0.0)],
        [],
    )
    _, dropped = exported(ExportSharegpt(), shard)
    assert [rule for _, rule in dropped] == ["turns", "turns", "tools", "tools", "roles", "weights", "turns"]


def test_a_plain_text_is_no_conversation(examples, exported):
    rows, dropped = exported(ExportSharegpt(), examples([("text", "The moon.")], [("user", "q"), ("assistant", "a")]))
    assert len(rows) == 1
    assert dropped == [("e0", "text")]
