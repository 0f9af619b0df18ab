import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructkit.errors import InputError
from instructkit.schema import Example, records
from instructkit.stages.ingest.conversations import NotConversationError, conversation
from instructkit.text.conversation import content_hash

CALL = {"name": "weather", "arguments": {"city": "Rome"}}
TOOL = {"name": "weather", "parameters": {"type": "object"}}
USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}

FORMATS = {
    "alpaca": (
        {"instruction": "Add.", "input": "1 2", "output": "3", "system": "S", "history": [["q", "a"]]},
        [("system", "S"), ("user", "q"), ("assistant", "a"), ("user", "Add.\n1 2"), ("assistant", "3")],
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "system": "S"},
        [("system", "S"), ("user", "Hi"), ("assistant", "Hello")],
    ),
    "openai": (
        {
            "messages": [
                {"role": "developer", "content": "S"},
                USER,
                {**BOT, "content": [{"type": "text", "text": "Yo"}]},
            ]
        },
        [("system", "S"), ("user", "Hi"), ("assistant", "Yo")],
    ),
    "prompt_completion": (
        {"prompt": "The sky is", "completion": " blue."},
        [("user", "The sky is"), ("assistant", " blue.")],
    ),
}


def said(row):
    return [(message["role"], message["content"]) for message in row["messages"]]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("file", ["a.jsonl", "a.json", "lines.json", "a.jsonl.gz", "a.parquet"])
def test_each_format_is_found_in_each_kind_of_file_and_said(read, write, tmp_path, name, file):
    record, expected = FORMATS[name]
    record = {**record, "origin": "elsewhere"}
    if file.endswith(".parquet"):
        if name == "openai":  # one column cannot hold texts and lists
            record["messages"] = [{"role": r, "content": c} for r, c in expected]
        pq.write_table(pa.Table.from_pylist([record]), tmp_path / file)
    else:
        write(file, json.dumps([record], indent=1) if file == "a.json" else [record, record][:1])
    kept, dropped = read("ingest.chat", path=file)
    assert dropped.is_empty()
    row = kept.row(0, named=True)
    assert said(row) == expected
    assert json.loads(row["meta"]) == {"format": name, "fields": {"origin": "elsewhere"}}
    assert (row["document_ids"], row["template"], row["task"], row["language"]) == ([], None, None, None)
    assert row["origin"] == {"file": file, "line": 1}


def test_a_file_may_mix_formats_and_a_declared_one_rules(read, write):
    write("a.jsonl", [record for record, _ in FORMATS.values()])
    kept, _ = read("ingest.chat", path="a.jsonl")
    assert [json.loads(meta)["format"] for meta in kept["meta"]] == list(FORMATS)
    kept, dropped = read("ingest.chat", path="a.jsonl", format="alpaca")
    assert (kept.height, dropped["rule"].to_list()) == (1, ["missing_column"] * 3)


@pytest.mark.parametrize(
    "record",
    [
        {
            "conversations": [
                {"from": "human", "value": "Rome?"},
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": "sunny"},
                {"from": "gpt", "value": "Sunny."},
            ],
            "tools": json.dumps([TOOL]),
        },
        {
            "messages": [
                {"role": "user", "content": "Rome?"},
                {"role": "assistant", "content": None, "function_call": {**CALL, "arguments": '{"city": "Rome"}'}},
                {"role": "function", "content": "sunny"},
                {"role": "assistant", "content": "Sunny."},
            ],
            "functions": [TOOL],
        },
    ],
    ids=["sharegpt", "openai"],
)
def test_tool_calls_of_every_spelling_become_objects(read, write, record):
    write("a.jsonl", [record])
    row = read("ingest.chat", path="a.jsonl")[0].row(0, named=True)
    assert said(row) == [("user", "Rome?"), ("assistant", ""), ("tool", "sunny"), ("assistant", "Sunny.")]
    assert json.loads(row["messages"][1]["tool_calls"]) == [{"id": None, "type": "function", "function": CALL}]
    assert json.loads(row["tools"]) == [{"type": "function", "function": TOOL}]


def test_what_a_message_holds_beside_is_kept(read, write):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hi", "name": "ann", "time": 5},
        {"role": "assistant", "content": "Wait.", "tool_calls": [call], "weight": 0},
        {"role": "tool", "content": "x", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Done", "reasoning_content": "Hm", "refusal": None},
    ]
    write("a.jsonl", [{"messages": messages, "system": "S", "n": 1}])
    row = read("ingest.chat", path="a.jsonl")[0].row(0, named=True)
    system, user, asked, tool, done = row["messages"]
    assert system["content"] == "S"
    assert (user["name"], asked["weight"], tool["tool_call_id"], done["reasoning"]) == ("ann", 0.0, "c1", "Hm")
    assert json.loads(asked["tool_calls"])[0]["id"] == "c1"
    assert json.loads(row["meta"]) == {"format": "openai", "fields": {"n": 1}, "message_fields": {"2": {"time": 5}}}


def test_answers_inside_a_prompt_are_context_and_not_trained_on(read, write):
    write("a.jsonl", [{"prompt": [USER, BOT, {**USER, "content": "And?"}], "completion": [{**BOT, "content": "So."}]}])
    row = read("ingest.chat", path="a.jsonl")[0].row(0, named=True)
    assert [message["weight"] for message in row["messages"]] == [None, 0.0, None, None]


@pytest.mark.parametrize(
    "beside", [{"input": "c"}, {"context": "c"}, {"input": "", "context": "c"}, {"input": "c", "context": None}]
)
def test_the_one_of_input_and_context_that_says_something_stands_in_the_prompt(read, write, beside):
    write("a.jsonl", [{"instruction": "a", "output": "b", **beside}])
    row = read("ingest.chat", path="a.jsonl")[0].row(0, named=True)
    assert said(row) == [("user", "a\nc"), ("assistant", "b")]
    assert json.loads(row["meta"]) == {"format": "alpaca"}


@pytest.mark.parametrize(("given", "prompt"), [("1 2", "Add.\n1 2"), ("", "Add."), (None, "Add.")])
def test_a_seed_task_says_its_first_instance_and_keeps_all(read, write, given, prompt):
    instances = [{"input": given, "output": "3"}, {"input": "2 2", "output": "4"}]
    write("a.jsonl", [{"name": "add", "instruction": "Add.", "instances": instances}])
    row = read("ingest.chat", path="a.jsonl")[0].row(0, named=True)
    assert said(row) == [("user", prompt), ("assistant", "3")]
    assert json.loads(row["meta"])["fields"] == {"name": "add", "instances": instances}


@pytest.mark.parametrize("instances", [[], None, ["3"], [{"input": "1 2"}], [{"output": ""}]])
def test_a_seed_task_without_an_answer_is_no_conversation(instances):
    with pytest.raises(NotConversationError):
        conversation({"instruction": "Add.", "instances": instances})


def test_a_plain_text_is_told_where_it_is_read(read, write):
    write("a.jsonl", [{"text": "A tale."}, turns("user", "assistant")])
    _, dropped = read("ingest.chat", path="a.jsonl")
    assert dropped["detail"][0].endswith(
        "found text; plain texts are read by ingest.jsonl, and made examples by render with template pretraining/text"
    )


def turns(*roles):
    return {"messages": [{"role": role, "content": "x"} for role in roles]}


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({"text": "a"}, "unrecognised"),
        ({"instruction": "a", "output": ""}, "empty_answer"),
        ({"instruction": "a", "output": None}, "empty_answer"),
        ({"instruction": " ", "output": "b"}, "empty_prompt"),
        ({"instruction": "a", "output": 4}, "content_not_text"),
        ({"instruction": "a", "output": "b", "input": 4}, "content_not_text"),
        ({"instruction": "a", "output": "b", "input": ["c", "d"]}, "content_not_text"),
        ({"instruction": "a", "output": "b", "input": "", "context": {"c": "d"}}, "content_not_text"),
        ({"instruction": "a", "output": "b", "input": "c", "context": "d"}, "two_inputs"),
        ({"instruction": "a", "output": "b", "system": ["c"]}, "content_not_text"),
        ({"instruction": "a", "output": "b", "history": [["q"]]}, "bad_history"),
        ({"instruction": "a", "output": "b", "history": 4}, "bad_history"),
        ({"messages": []}, "no_assistant"),
        (turns("user"), "no_assistant"),
        (turns("user", "assistant", "user"), "no_final_answer"),
        (turns("user", "assistant", "system", "assistant"), "role_order"),
        (turns("assistant"), "role_order"),
        (turns("user", "user", "assistant"), "role_order"),
        (turns("user", "assistant", "assistant"), "role_order"),
        (turns("user", "tool", "assistant"), "role_order"),
        (turns("user", "narrator", "assistant"), "unknown_role"),
        (turns("user", "text", "assistant"), "role_order"),
        (turns("text", "text"), "no_assistant"),
        ({"messages": [{"role": "text", "content": " "}]}, "empty_text"),
        ({"messages": [USER, {"content": "x"}]}, "unknown_role"),
        ({"messages": [USER, "x", BOT]}, "bad_turn"),
        ({"messages": [{**USER, "content": [{"type": "image_url"}]}, BOT]}, "media"),
        ({"messages": [{**USER, "content": {"a": 1}}, BOT]}, "content_not_text"),
        ({"messages": [USER, {**BOT, "weight": "high"}]}, "bad_weight"),
        ({"messages": [USER, {**BOT, "weight": -0.5}]}, "bad_weight"),
        ({"messages": [USER, {**BOT, "weight": 10**400}]}, "bad_weight"),
        ({"messages": [USER, {**BOT, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]}, "bad_tool_call"),
        (
            {"messages": [USER, {**BOT, "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]}]},
            "bad_tool_call",
        ),
        ({"messages": [USER, {**BOT, "tool_calls": [{"function": {}}]}]}, "bad_tool_call"),
        ({"messages": [USER, BOT], "tools": "{"}, "bad_tools"),
        ({"messages": [USER, BOT], "tools": "3"}, "bad_tools"),
        ({"messages": [USER, BOT], "n": 10**30}, "integer_too_large"),
    ],
)
def test_what_is_no_conversation_is_dropped_with_its_line_and_rule(read, write, record, rule):
    write("a.jsonl", [turns("user", "assistant"), record])
    kept, dropped = read("ingest.chat", path="a.jsonl")
    assert kept.height == 1
    assert dropped["rule"].to_list() == [rule]
    assert dropped["origin"].to_list() == [{"file": "a.jsonl", "line": 2}]
    assert dropped["id"].is_not_null().all()


def test_a_plain_text_comes_back_from_our_own_exports(read, write):
    write("a.jsonl", [turns("text")])
    kept, _ = read("ingest.chat", path="a.jsonl")
    assert [said(row) for row in kept.rows(named=True)] == [[("text", "x")]]


@pytest.mark.parametrize("weight", [-1.0, float("inf")])
def test_a_weight_that_no_loss_can_have_is_dropped_with_its_value(read, tmp_path, weight):
    rows = [{"messages": [{**USER, "weight": None}, {**BOT, "weight": value}]} for value in (0.5, weight)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    kept, dropped = read("ingest.chat", path="a.parquet")
    assert [message["weight"] for message in kept["messages"][0]] == [None, 0.5]
    assert dropped.select("rule", "value").rows() == [("bad_weight", str(weight))]


@pytest.mark.parametrize("weight", [float("nan"), float("-inf"), -1, 3.5e38])
def test_a_weight_outside_the_range_of_a_loss_is_refused(weight):
    with pytest.raises(NotConversationError, match="the weight of message 2 is not from 0 up"):
        conversation({"messages": [USER, {**BOT, "weight": weight}]})


def test_a_file_of_something_else_is_the_recipes_fault(read, write):
    write("a.jsonl", [{"text": "a", "title": "b"}] * 3)
    with pytest.raises(InputError, match=r"a\.jsonl: none of 3 records is a conversation .*found text, title"):
        read("ingest.chat", path="a.jsonl")


def test_broken_lines_are_dropped_like_any_others(read, write):
    write("a.jsonl", json.dumps(turns("user", "assistant")) + "\n{\n")
    _, dropped = read("ingest.chat", path="a.jsonl")
    assert dropped["rule"].to_list() == ["not_json"]
    with pytest.raises(InputError, match="max_bad_lines"):
        read("ingest.chat", path="a.jsonl", max_bad_lines=0)


def test_equal_conversations_have_ids_of_their_own_and_one_hash_and_group(read, write, tools):
    rows = [{**turns("user", "assistant"), "key": n} for n in (1, 1, 2)]
    write("a.jsonl", rows)
    kept, _ = read("ingest.chat", path="a.jsonl")
    assert kept["id"].n_unique() == 3
    assert kept["content_hash"].n_unique() == kept["group"].n_unique() == 1
    with tools["cut"](part_bytes=10):
        assert read("ingest.chat", path="a.jsonl")[0].equals(kept)
    with pytest.raises(InputError, match=r"the key 'key' is '1' at a\.jsonl:2 and at a\.jsonl:1;"):
        read("ingest.chat", path="a.jsonl", key="key")


def test_rows_are_valid_examples(read, write):
    write("a.jsonl", [record for record, _ in FORMATS.values()])
    for example in records(Example, read("ingest.chat", path="a.jsonl")[0]):
        assert example.content_hash == content_hash(example.messages, example.tools)
