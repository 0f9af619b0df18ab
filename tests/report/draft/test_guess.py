"""What columns are taken for, by their names and by their values."""

import pytest

from instructkit.errors import UsageFault
from instructkit.report.draft.columns import columns_of
from instructkit.report.draft.guess import guess

PROSE = [f"The {word} was found in the harbour near the old bridge." for word in ("owl", "clock", "map", "salt")]


def rows(**columns):
    return [{name: make(n) for name, make in columns.items()} for n in range(40)]


def prose(n):
    return f"{PROSE[n % 4]} {n}"


def name(n):
    return f"Plant {n}"


def level(n):
    return ["low", "bright"][n % 2]


@pytest.mark.parametrize(
    ("columns", "task", "material", "target"),
    [
        ({"question": prose, "answer": prose}, "qa", ["question"], "answer"),
        ({"问题": prose, "答案": prose}, "qa", ["问题"], "答案"),
        ({"context": prose, "question": prose, "answer": prose}, "reading", ["context", "question"], "answer"),
        ({"instruction": prose, "input": prose, "output": prose}, "instruction", ["instruction", "input"], "output"),
        ({"reviewText": prose, "stars": lambda n: n % 5}, "classification", ["reviewText"], "stars"),
        ({"Comment": prose, "is_toxic": lambda n: n % 2 == 0}, "classification", ["Comment"], "is_toxic"),
        (
            {"premise": prose, "hypothesis": prose, "label": lambda n: n % 3},
            "classification", ["premise", "hypothesis"], "label",
        ),
        ({"article": prose, "highlights": prose, "id": str}, "summary", ["article"], "highlights"),
        ({"title": prose, "body": prose}, "title", ["body"], "title"),
        ({"de": prose, "en": prose}, "translation", ["de"], "en"),
        ({"t": lambda n: {"fr": prose(n), "en": prose(n)}}, "translation", ["t.fr"], "t.en"),
        (
            {"question": prose, "options": lambda n: ["a", "b"], "answer": lambda n: "ab"[n % 2]},
            "multiple_choice", ["question"], "answer",
        ),
        (
            {"question": prose, "answers": lambda n: [{"text": prose(n), "start": n}]},
            "qa", ["question"], "answers[0].text",
        ),
        ({"words": prose, "more": prose}, "pair", ["words"], "more"),
        (
            {"Name": name, "Light": level, "Care Notes": prose, "Toxic": lambda n: "yn"[n % 2]},
            "pair", ["Name", "Light", "Toxic"], "Care Notes",
        ),
        ({"Name": name, "Message": prose, "Spam": level}, "classification", ["Message", "Name"], "Spam"),
        ({"Words": prose, "Light": level, "Toxic": level}, "classification", ["Words", "Toxic"], "Light"),
        ({"text": prose}, "continue", ["text"], "text"),
        ({"prompt": prose, "key": int}, "ask", ["prompt"], "prompt"),
    ],
)  # fmt: skip
def test_the_task_is_guessed(columns, task, material, target):
    found = guess(columns_of(rows(**columns)), "a.jsonl")
    assert (found.task, [c.expression for c in found.material], found.target.expression) == (task, material, target)
    assert set(material) <= set(found.reasons)


def test_choices_are_the_values_in_order():
    found = guess(columns_of(rows(text=prose, label=lambda n: ["neg", "pos", "neutral"][n % 3])), "a")
    assert found.choices == ["neg", "neutral", "pos"]
    assert guess(columns_of(rows(text=prose, label=lambda n: n % 11)), "a").choices == [str(n) for n in range(11)]


def test_a_label_with_a_value_a_row_is_no_choice():
    assert guess(columns_of(rows(text=prose, label=prose)), "a").choices is None


def test_what_is_left_out_has_its_reason():
    found = guess(
        columns_of(
            rows(question=prose, answer=prose, url=str, code=lambda n: f"KEY-{n:08}", odd=lambda n: [1, "x"][n % 2])
        ),
        "a",
    )
    assert "by its name" in found.reasons["url"]
    assert "keys or links" in found.reasons["code"]
    assert "several types" in found.reasons["odd"]


def test_data_without_texts_is_refused_with_its_columns():
    with pytest.raises(UsageFault, match=r"no column holds texts .*\(columns: n, m\)"):
        guess(columns_of(rows(n=int, m=float)), "a")


def test_an_answer_that_is_given_is_taken_and_makes_the_task():
    found = columns_of(rows(Name=name, Light=level, Notes=prose, summary=prose, n=int, tags=lambda n: ["a"]))
    tasks = {"Light": "classification", "Notes": "pair", "summary": "summary", "n": "pair"}
    assert {answer: guess(found, "a", answer).task for answer in tasks} == tasks
    assert {guess(found, "a", answer).target.expression for answer in tasks} == set(tasks)
    assert all(guess(found, "a", answer).is_named for answer in tasks)
    for wrong, said in (("tags", "cannot be the answer"), ("Nots", "did you mean 'Notes'")):
        with pytest.raises(UsageFault, match=said):
            guess(found, "a", wrong)


def test_a_small_table_is_not_asked_for_its_truth_values():
    columns = {"Name": name, "Care Notes": prose, "Toxic": lambda n: "yn"[n % 2]}
    assert guess(columns_of(rows(**columns)[:5]), "a").target.expression == "Care Notes"
