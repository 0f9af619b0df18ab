import json

import numpy as np
import polars as pl
import pytest

from instructkit.schema import Message
from instructkit.stages.dedupe.reference import conversation_text, read_rows, reference_files
from instructkit.text.view import example_text


@pytest.mark.parametrize("of", ["all", "prompt", "response"])
def test_the_text_of_a_conversation_is_what_the_view_of_an_example_gives(examples, of):
    turns = [("system", "s"), ("user", ""), ("assistant", "a"), ("user", "u"), ("tool", "t"), ("assistant", "b")]
    shard = examples(turns, turns[:1])
    texts = shard.select(example_text(of).alias("text"))["text"].to_list()
    said = [conversation_text([Message(role=r, content=c) for r, c in some], of) for some in (turns, turns[:1])]
    assert said == texts


def test_files_are_named_as_the_recipe_says_and_never_by_where_the_project_lies(tmp_path):
    for name in ("data/a.jsonl", "data/deep/b.jsonl", "c.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")

    def names(*given):
        return [file.name for file in reference_files(list(given), tmp_path, None)]

    assert names("data", "c.jsonl") == ["data/a.jsonl", "data/deep/b.jsonl", "c.jsonl"]
    assert names("data/**/*.jsonl", "./c.jsonl") == ["data/a.jsonl", "data/deep/b.jsonl", "c.jsonl"]
    assert names(str(tmp_path / "data/deep")) == ["deep/b.jsonl"]
    assert names(str(tmp_path / "data/deep/b.jsonl")) == ["deep/b.jsonl"]
    assert names(str(tmp_path / "data/*.jsonl")) == ["data/a.jsonl"]


@pytest.fixture
def rows_of_both_kinds(tmp_path):
    rows = [{"text": f"text {n}", "id": n} for n in range(50)]
    (tmp_path / "a.jsonl").write_text("\n" + "\n\n".join(json.dumps(row) for row in rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "b.parquet", row_group_size=7)
    return reference_files(["a.jsonl", "b.parquet"], tmp_path, None)


def test_some_rows_are_those_among_all(rows_of_both_kinds):
    wanted = np.array([0, 6, 7, 30, 49])
    for file in rows_of_both_kinds:
        whole = list(read_rows(file, None, "all"))
        assert [row.number for row in whole] == list(range(50))
        assert list(read_rows(file, None, "all", wanted)) == [whole[n] for n in wanted]
        assert list(read_rows(file, None, "all", wanted[:0])) == []
    lines = [[row.line for row in read_rows(file, None, "all", wanted)] for file in rows_of_both_kinds]
    assert lines == [[2, 14, 16, 62, 100], [1, 7, 8, 31, 50]]


def test_a_question_without_its_answer_has_a_prompt(tmp_path):
    row = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (file,) = reference_files("a.jsonl", tmp_path, None)
    assert [row.text for row in read_rows(file, None, "prompt")] == ["Be brief.\n\nWhy?"]
    assert [row.text for row in read_rows(file, None, "response")] == [None]
    assert [row.text for row in read_rows(file, "messages", "prompt")] == ["Be brief.\n\nWhy?"]


def test_a_dotted_path_reaches_into_objects(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"article": {"body": "Tides."}, "id": True}))
    (file,) = reference_files("a.jsonl", tmp_path, None)
    (row,) = read_rows(file, "article.body", "all")
    assert (row.text, row.id) == ("Tides.", None)
