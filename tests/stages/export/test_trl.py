import pytest

from instructkit.schema import Message
from instructkit.stages.export.trl import ExportTrl

TWO = [("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]
LAST = [("user", "q"), Message(role="assistant", content="a", weight=0.0), ("user", "r"), ("assistant", "b")]


def test_messages_take_examples_trained_on_in_every_answer(examples, exported):
    rows, dropped = exported(ExportTrl(), examples(TWO, LAST))
    assert [len(row["messages"]) for row in rows] == [4]
    assert dropped == [("e1", "weights")]


def test_prompt_completion_takes_examples_trained_on_in_the_last_answer(examples, exported):
    rows, dropped = exported(ExportTrl(style="prompt_completion"), examples(TWO, LAST))
    (row,) = rows
    assert [m["content"] for m in row["prompt"]] == ["q", "a", "r"]
    assert row["completion"] == [{"role": "assistant", "content": "b"}]
    assert dropped == [("e0", "weights")]


def test_prompt_completion_needs_an_answer_at_the_end(examples, exported):
    _, dropped = exported(
        ExportTrl(style="prompt_completion"), examples([("user", "q")], [("assistant", "a")], TWO[:3])
    )
    assert [rule for _, rule in dropped] == ["turns"] * 3


def test_arguments_stay_objects_and_reasoning_is_kept(examples, exported, call):
    turns = [("user", "q"), Message(role="assistant", content="", tool_calls=call, reasoning="look it up")]
    rows, _ = exported(ExportTrl(), examples(turns))
    answer = rows[0]["messages"][1]
    assert answer["tool_calls"][0]["function"]["arguments"] == {"city": "Rome"}
    assert answer["reasoning_content"] == "look it up"


@pytest.mark.parametrize("style", ["messages", "prompt_completion"])
def test_a_plain_text_is_a_row_of_text(examples, exported, style):
    weighed = Message(role="text", content="The sun.", weight=0.5)
    rows, dropped = exported(ExportTrl(style=style), examples([("text", "The moon.")], [weighed]))
    assert rows == [{"id": "e0", "text": "The moon."}]
    assert dropped == [("e1", "weights")]
