import json

import pytest

from instructkit.errors import InputError
from instructkit.stages.ingest.evaluations import Evaluation, evaluation_files, evaluation_rows, listed, said_columns

SQUAD = {
    "data": [
        {
            "title": "Tides",
            "paragraphs": [
                {
                    "context": "The moon pulls the sea.",
                    "qas": [
                        {"id": "q1", "question": "What pulls?", "answers": [{"text": "The moon"}, {"text": "moon"}]},
                        {"id": "q2", "question": "What is pulled?", "answers": [{"text": "the sea"}]},
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def read(tmp_path):
    """read(row, ..., **columns): prompt, answers and passage of rows written as JSON Lines."""

    def read(*rows, **columns):
        path = tmp_path / "eval.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = evaluation_rows(evaluation_files([Evaluation(path=str(path), **columns)]))
        return found.select("prompt", "answers", "passage").rows()

    return read


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "Why?", "answer": "So."}, ("Why?", ["So."], None)),
        ({"problem": "1+1", "solution": 2}, ("1+1", ["2"], None)),
        ({"context": "C", "question": "Q", "answers": {"text": ["A", "B", "A"]}}, ("Q", ["A", "B"], "C")),
        ({"question": "Q", "choices": ["one", "two"], "answer": 1}, ("Q", ["two"], None)),
        ({"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answer": "2"}, ("Q", ["y"], None)),
        ({"question": "Q", "options": ["x", "y"], "answer": "B"}, ("Q", ["y"], None)),
        ({"question": "Q", "choices": ["x"], "answer": 7}, ("Q", ["7"], None)),
        ({"question": "Q", "options": ["10", "12", "1"], "answer": "1"}, ("Q", ["1"], None)),
        ({"question": "Q", "choices": ["x", "y"], "answer": "y"}, ("Q", ["y"], None)),
        ({"instruction": "Do", "input": "this", "output": "done"}, ("Do\nthis", ["done"], None)),
        ({"prompt": "only"}, ("only", [], None)),
        ({"text": "plain"}, (None, ["plain"], None)),
    ],
)
def test_prompt_answers_and_passage_are_found_by_their_usual_names(read, row, expected):
    assert read(row) == [expected]


LETTERED = {"A": "one", "B": "two", "C": "three", "D": "four"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"question": "Q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"},
            ("Q", ["y"], None),
        ),
        (
            {"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "1"},
            ("Q", ["x"], None),
        ),
        (
            {
                "question": {
                    "stem": "Q",
                    "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}],
                },
                "answerKey": "B",
            },
            ("Q", ["y"], None),
        ),
        ({"question_stem": "Q", "choices": {"text": ["x"], "label": ["A"]}, "answerKey": "A"}, ("Q", ["x"], None)),
        ({"id": 3, "question": "Q", **LETTERED, "answer": "B"}, ("Q", ["two"], None)),
        ({"question": "Q", "options": LETTERED, "answer": "B"}, ("Q", ["two"], None)),
        ({"question": "Q", "options": LETTERED, "answer": "four", "answer_idx": "D"}, ("Q", ["four"], None)),
        ({"sentence": "S _", "option1": "x", "option2": "y", "answer": "1"}, ("S _", ["x"], None)),
        ({"ctx": "C", "endings": ["x", "y"], "label": "1"}, ("C", ["y"], None)),
        ({"goal": "G", "sol1": "x", "sol2": "y", "label": 0}, ("G", ["x"], None)),
        ({"question": "Q", "opa": "x", "opb": "y", "cop": 1}, ("Q", ["y"], None)),
        ({"prompt": "def f():", "canonical_solution": "  return 1", "test": "t"}, ("def f():", ["  return 1"], None)),
        ({"text": "Write f.", "code": "def f(): 1", "test_list": ["t"]}, ("Write f.", ["def f(): 1"], None)),
        (
            {"question": "Q", "best_answer": "x", "correct_answers": ["y", "x"], "incorrect_answers": ["z"]},
            ("Q", ["x", "y"], None),
        ),
        ({"question": "Q", "label": 1}, ("Q", [], None)),
    ],
    ids=[
        *("ARC", "ARC by numbers", "ARC's own", "OpenBookQA", "C-Eval", "options by letter", "MedQA", "WinoGrande"),
        *("HellaSwag", "PIQA", "MedMCQA", "HumanEval", "MBPP", "TruthfulQA", "a label without choices"),
    ],
)
def test_answers_of_common_evaluations_are_found(read, row, expected):
    assert read(row) == [expected]


def test_of_a_conversation_the_system_prompt_is_no_part_unless_it_is_all(read):
    turns = [{"role": r, "content": c} for r, c in (("system", "Be good."), ("user", "Why?"), ("assistant", "So."))]
    assert read({"messages": turns}, {"messages": turns[:1]}) == [("Why?", ["So."], None), ("Be good.", [], None)]


def test_named_columns_reach_into_objects_and_lists_of_turns(read):
    row = {"a": {"b": "deep"}, "turns": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]}
    assert read(row, prompt="turns", answer="a.b") == [("one\n\ntwo", ["deep"], None)]


def test_an_article_of_squad_gives_a_row_for_each_question(tmp_path):
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(SQUAD))
    files = evaluation_files(listed(str(path)))
    rows = evaluation_rows(files)
    assert rows["id"].to_list() == ["q1", "q2"]
    assert rows["answers"].to_list() == [["The moon", "moon"], ["the sea"]]
    assert rows["passage"].unique().to_list() == ["The moon pulls the sea."]
    assert said_columns(*files[0]) == "prompt from question, answer from answers, passage from context"


@pytest.mark.parametrize("counts", [[1, 1], [1, 3], [3, 1]])
def test_questions_of_squad_are_found_however_many_stand_in_the_first_paragraph(tmp_path, counts):
    path = tmp_path / "dev.json"
    asked = {"id": "q", "question": "What pulls the sea?", "answers": [{"text": "The moon"}]}
    paragraphs = [{"context": f"Passage {n}.", "qas": [asked] * count} for n, count in enumerate(counts)]
    path.write_text(json.dumps({"data": [{"title": "Sea", "paragraphs": paragraphs}] * 2}))
    rows = evaluation_rows(evaluation_files(listed(str(path))))
    assert (
        rows.select("prompt", "passage").rows()
        == [("What pulls the sea?", f"Passage {n}.") for n, count in enumerate(counts) for _ in range(count)] * 2
    )


@pytest.mark.parametrize("questions", [None, [1], "q"])
def test_paragraphs_without_questions_are_no_article(read, questions):
    with pytest.raises(InputError, match="no row has a prompt or an answer"):
        read({"paragraphs": [{"context": "Passage.", "qas": questions}]})


def test_a_row_that_cannot_be_read_stops_with_its_place(tmp_path):
    path = tmp_path / "eval.jsonl"
    path.write_text('{"question": "Why?", "answer": "So."}\n{"question": \n')
    with pytest.raises(InputError, match=r"eval.jsonl:2: .*; mend the row or take it out"):
        evaluation_rows(evaluation_files(listed(str(path))))
    path.write_text('{"messages": [{"role": "nobody", "content": 1}]}\n')
    with pytest.raises(InputError, match=r"eval.jsonl:1: .*; name the columns \(prompt, answer\), or take the row out"):
        evaluation_rows(evaluation_files(listed(str(path))))


def test_rows_that_say_nothing_are_rows_all_the_same(read):
    assert read({"question": "Why?", "answer": "So."}, {"question": None, "answer": ""}) == [
        ("Why?", ["So."], None),
        (None, [], None),
    ]


def test_a_row_whose_tool_calls_json_cannot_hold_is_an_error_with_its_place(read):
    call = {"function": {"name": "find", "arguments": {"n": 10**30}}}
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    with pytest.raises(InputError, match=r"eval\.jsonl:1: .*take the row out"):
        read({"messages": turns})
