"""Rows of evaluations that stand in a dataset are found, whatever was said about them when it was built."""

import json
from dataclasses import replace

import pytest

from instructkit.audit.crossings import Settings
from instructkit.audit.evaluations import Against
from instructkit.audit.verify import datasets_of, verify
from instructkit.errors import InputError, UsageFault
from instructkit.stages.ingest.evaluations import Evaluation


@pytest.fixture
def evaluation(tmp_path, new_row):
    """An evaluation of ten rows, and the rows."""
    rows = [new_row(f"evaluation {n}") for n in range(10)]
    path = tmp_path / "eval/exam.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path), rows


@pytest.fixture
def splits(new_row):
    return {"train": [new_row(n) for n in range(30)], "test": [new_row(n) for n in range(100, 110)]}


def test_a_row_of_an_evaluation_is_found_in_any_split(folder, verified, splits, evaluation):
    path, rows = evaluation
    assert verified(folder(**splits), against=[path]).clean
    splits["train"][4]["prompt"] = f"Answer this for me, please: {rows[7]['prompt'].upper()}"
    splits["test"][2] = rows[1]
    found = verified(folder(**splits), against=[path])
    assert not found.clean
    assert not any(pair.crossing for pair in found.pairs)
    (held,) = found.evaluations
    assert (held.file, held.rows, held.found, held.counts) == ("eval/exam.jsonl", 10, 2, {"train": 1, "test": 1})
    places = {(e.later.split, e.later.line, e.earlier.split, e.earlier.line) for e in found.evidence}
    assert places == {("train", 5, "evaluation", 8), ("test", 3, "evaluation", 2)}
    assert {e.kind for e in found.evidence} == {"contaminated"}


def test_one_split_is_enough_where_there_is_an_evaluation(folder, verified, splits, evaluation):
    path, _ = evaluation
    with pytest.raises(UsageFault, match="nothing to compare"):
        verified(folder(train=splits["train"]))
    clean = verified(folder(train=splits["train"]), against=[path])
    assert clean.clean
    assert clean.pairs == []
    rows = [*splits["train"], evaluation[1][3]]
    found = verified(folder(name="notes", words=rows), against=[path])
    assert found.rows == {"all": 31}
    assert [(e.later.split, e.later.line) for e in found.evidence] == [("all", 31)]


def test_an_evaluation_that_is_part_of_the_dataset_is_not_compared_with_itself(folder, verified, splits):
    place = folder(**splits)
    assert verified(place, against=[f"{place}/test.jsonl"]).clean
    splits["train"][3] = splits["test"][5]
    found = verified(folder(**splits), against=[f"{place}/test.jsonl"])
    assert found.evaluations[0].counts == {"train": 1, "test": 0}


def test_a_score_within_the_margin_is_told_apart_and_no_leak(folder, splits, evaluation):
    path, rows = evaluation
    said = rows[7]["prompt"].split()
    said[10] = "otherwise"
    splits["train"][4]["prompt"] = " ".join(said)
    ((dataset, lineage),) = datasets_of(folder(**splits))
    exam = Against(evaluations=(Evaluation(path=path),))
    sure, unsure = (verify(dataset, lineage, Settings(), against=[replace(exam, margin=margin)]) for margin in (0, 0.2))
    assert (sure.clean, sure.evaluations[0].found, sure.evaluations[0].nearly) == (False, 1, 0)
    assert (unsure.clean, unsure.evaluations[0].found, unsure.evaluations[0].nearly) == (True, 0, 1)
    assert [(e.kind, e.later.line) for e in unsure.evidence] == [("nearly_contaminated", 5)]
    assert 0.8 <= unsure.evidence[0].similarity < 1


def test_an_evaluation_without_rows_is_an_error(folder, verified, splits, tmp_path):
    (tmp_path / "nothing.jsonl").write_text("")
    with pytest.raises(InputError, match=r"nothing.jsonl: no rows, so nothing would be looked for"):
        verified(folder(**splits), against=[str(tmp_path / "nothing.jsonl")])


def test_an_evaluation_that_is_not_there_is_an_error(folder, verified, splits):
    with pytest.raises(InputError, match="no such file or folder"):
        verified(folder(**splits), against=["nosuch/exam.jsonl"])


RECIPE = """\
recipe: held
seed: 7
steps:
  raw:    {stage: ingest.chat, path: data/chats.jsonl}
  free:   {stage: decontaminate, against: {path: data/exam.jsonl, prompt: ask, answer: reply}, MODE}
  final:  {stage: split, train: 0.6, validation: 0.2, test: 0.2}
  chat:   {stage: export.openai}
"""


@pytest.fixture
def held_build(project, run_build, new_row):
    """`held_build(mode)`: the folder of a build whose corpus holds a row of an evaluation."""

    def build(mode):
        rows = [new_row(n) for n in range(60)]
        exam = [new_row(f"exam {n}") for n in range(5)]
        rows[20] = exam[3]
        (project / "data/chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        lines = (json.dumps({"ask": row["prompt"], "reply": row["completion"]}) + "\n" for row in exam)
        (project / "data/exam.jsonl").write_text("".join(lines))
        (project / "recipes/held.yaml").write_text(RECIPE.replace("MODE", f"mode: {mode}"))
        return run_build(project, recipe="recipes/held.yaml").build.folder

    return build


def test_a_build_is_compared_with_the_evaluations_of_its_recipe(held_build, verified):
    found = verified(held_build("drop"))
    assert found.clean
    assert [(each.file, each.rows, each.found) for each in found.evaluations] == [("data/exam.jsonl", 5, 0)]


def test_what_a_recipe_only_reports_is_found_again(held_build, verified):
    found = verified(held_build("report"))
    assert [each.found for each in found.evaluations] == [1]
    assert [(e.earlier.file, e.earlier.line) for e in found.evidence] == [("data/exam.jsonl", 4)]


def test_an_evaluation_of_the_recipe_that_is_gone_is_told(held_build, verified):
    folder = held_build("drop")
    (folder.parent.parent / "data/exam.jsonl").unlink()
    found = verified(folder)
    assert found.evaluations == []
    assert found.verdict == "not_all_compared"
    assert len(found.gaps) == 1
    assert "evaluations of step 'free' were not looked for" in found.gaps[0]
