import json

from instructkit.report.conversations import read_examples
from instructkit.schema import Example, Message, Origin, frame


def test_conversations_of_any_format_are_read_and_others_counted(tmp_path):
    lines = [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"instruction": "c", "output": "d"},
        {"instruction": "e", "output": ""},
    ]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, lines)))
    examples, dropped = read_examples(str(tmp_path / "mixed.jsonl"))
    assert [m[-1]["content"] for m in examples["messages"]] == ["b", "d"]
    assert examples["source"].to_list() == ["mixed", "mixed"]
    assert dropped == 1


def test_a_shard_of_examples_is_read_as_it_is(tmp_path):
    messages = [Message(role="user", content="a"), Message(role="assistant", content="b")]
    row = Example(
        id="x", content_hash="h", messages=messages, source="s", origin=Origin(file="f"), group="g", template="t"
    )
    shard = frame(Example, [row])
    shard.write_parquet(tmp_path / "shard.parquet")
    assert read_examples(str(tmp_path / "shard.parquet"))[0].equals(shard)
