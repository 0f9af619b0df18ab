"""Rows of any format become one table; none is lost, and what is wrong with one stands beside it."""

import json

import polars as pl
import pytest

from instructkit.audit import rows as rows_module
from instructkit.audit.rows import ROWS, read
from instructkit.schema import Example, Message, Origin, columns, frame
from instructkit.stages.ingest.dataset import open_dataset


@pytest.fixture
def table(tmp_path):
    """The table that some values become, written as lines of JSON."""

    def make(*values, name="a.jsonl", given=None):
        lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
        (tmp_path / name).write_text("".join(line + "\n" for line in lines))
        frames = list(read(open_dataset(name, tmp_path), given))
        assert all(each.schema == ROWS for each in frames)
        return pl.concat(frames) if frames else pl.DataFrame(schema=ROWS)

    return make


@pytest.mark.parametrize(
    ("value", "form", "prompt", "response"),
    [
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "alpaca", "Add.\n1 2", "3"),
        (
            {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
            "sharegpt",
            "Q",
            "A",
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "Q"},
                    {"role": "assistant", "content": "A"},
                ]
            },
            "openai",
            "S\n\nQ",
            "A",
        ),
        ({"prompt": "Q", "completion": "A"}, "prompt_completion", "Q", "A"),
        ({"question": "Q", "answer": "A"}, "pair", "Q", "A"),
        ({"context": "C", "question": "Q", "answers": {"text": ["A", "B"], "start": [0, 1]}}, "pair", "C\nQ", "A"),
        ({"Problem": "Q", "Solution": "A", "level": 5}, "pair", "Q", "A"),
        ({"question": "Q", "answer": 72}, "pair", "Q", "72"),
        ({"text": "Words."}, "text", "Words.", ""),
    ],
)
def test_each_format_is_told_and_read(table, value, form, prompt, response):
    (row,) = table(value).iter_rows(named=True)
    assert (row["format"], row["prompt"], row["response"], row["fault"]) == (form, prompt, response, None)


def test_columns_that_are_named_go_before_what_a_row_looks_like(table):
    value = {"prompt": "not this", "completion": "nor this", "deep": {"q": "Q"}, "a": ["A", "B"]}
    (row,) = table(value, given={"prompt": "deep.q", "answer": "a"}).iter_rows(named=True)
    assert (row["prompt"], row["response"], row["fault"]) == ("Q", "A", None)
    (row,) = table({"x": 1}, given={"prompt": "deep.q", "answer": "a"}).iter_rows(named=True)
    assert (row["fault"], row["detail"]) == ("missing_column", "the row has no 'deep.q'")


def test_rows_that_are_no_conversation_stay_with_their_fault(table):
    found = table(
        {"messages": [{"role": "user", "content": "Q"}]},
        "{broken",
        {"colour": "red"},
        {"question": "Q?"},
        {"instruction": "Add.", "output": ""},
    )
    assert found["fault"].to_list() == ["no_assistant", "not_json", "unrecognised", "no_assistant", "empty_answer"]
    assert found["line"].to_list() == [1, 2, 3, 4, 5]
    assert found["row"].to_list() == [0, 1, 2, 3, 4]
    assert found["prompt"].to_list() == ["Q", "", "", "Q?", "Add."]
    assert found["detail"].null_count() == 0


@pytest.mark.parametrize(
    ("arguments", "rule"), [('{"a": "\\ud83d"}', "lone_surrogate"), ({"a": 10**30}, "integer_too_large")]
)
def test_a_tool_call_that_json_cannot_hold_is_a_fault_of_its_row(table, arguments, rule):
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": arguments}}
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    found = table({"messages": turns}, {"question": "Q", "answer": "A"})
    assert found["fault"].to_list() == [rule, None]


def test_half_a_surrogate_pair_is_a_fault_of_its_row(tmp_path):
    (tmp_path / "a.json").write_text(
        '[{"question": "Q", "answer": "A", "id": "7\\ud83d"}, {"question": "Q", "answer": "A"}]'
    )
    (found,) = read(open_dataset("a.json", tmp_path))
    assert found["fault"].to_list() == ["lone_surrogate", None]


def test_our_own_parquet_keeps_all_that_an_example_knows(tmp_path):
    example = Example(
        id="x-1/qa/open",
        content_hash="0" * 32,
        messages=[
            Message(role="user", content="Q"),
            Message(role="assistant", content="", tool_calls='[{"function":{"arguments":{},"name":"f"}}]'),
            Message(role="tool", content="T"),
            Message(role="assistant", content="A", weight=0.5),
        ],
        document_ids=["x-1"],
        exemplar_ids=["x-2"],
        source="x",
        origin=Origin(file="a.jsonl", line=3),
        template="qa/open",
        template_hash="h",
        task="qa",
        group="g",
        split="test",
    )
    frame(Example, [example]).write_parquet(tmp_path / "test.parquet")
    (found,) = read(open_dataset("test.parquet", tmp_path))
    (row,) = found.iter_rows(named=True)
    assert (row["format"], row["fault"], row["id"], row["group"]) == ("instructkit", None, "x-1/qa/open", "g")
    assert (row["document_ids"], row["exemplar_ids"], row["template_hash"]) == (["x-1"], ["x-2"], "h")
    assert (row["prompt"], row["response"]) == ("Q\n\nT", "\n\nA")
    assert found["messages"].dtype == columns(Example)["messages"]
    assert row["messages"][3]["weight"] == 0.5


def test_long_tables_come_in_frames_that_lose_no_row(table, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "CHUNK_ROWS", 3)
    found = table(*({"question": f"Q{n}", "answer": "A"} for n in range(8)))
    assert found["row"].to_list() == list(range(8))
    assert [each.height for each in read(open_dataset("a.jsonl", tmp_path))] == [3, 3, 2]
    assert next(iter(read(open_dataset("a.jsonl", tmp_path), first=100)))["row"][0] == 100


def test_an_empty_file_gives_no_frame(table):
    assert table().is_empty()
