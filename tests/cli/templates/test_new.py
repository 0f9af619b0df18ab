import json
import shlex

import pytest

from instructkit.cli.main import main
from instructkit.recipe.recipe import load_recipe
from instructkit.schema import Document, Example


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Calls `instructkit templates` in a folder with a data file."""
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {n} and {n}?", "answer": f"It is {2 * n}."} for n in range(30)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def call(*arguments):
        code = 0
        try:
            main(["templates", *arguments])
        except SystemExit as leave:
            code = leave.code or 0
        return code, *capsys.readouterr()

    return call


def test_a_draft_passes_its_tests_and_can_be_previewed_by_the_line_that_is_printed(called):
    code, said, _ = called("new", "sums.jsonl")
    assert code == 0
    assert "wrote templates/question_answering/sums.jinja" in said
    assert called("test", "question_answering/sums")[0] == 0
    words = said.strip().splitlines()[-1].split()
    assert words[:3] == ["instructkit", "templates", "preview"]
    code, shown, _ = called(*words[2:-1])
    assert (code, words[-1]) == (0, "--watch")
    assert "30 rows: 30 examples, 0 dropped" in shown


def test_name_and_folder_may_be_chosen_and_nothing_is_overwritten(called, tmp_path):
    assert called("new", "sums.jsonl", "--name", "math/add", "--out", "mine")[0] == 0
    assert (tmp_path / "mine/math/add.jinja").is_file()
    code, _, error = called("new", "sums.jsonl", "--name", "math/add", "--out", "mine")
    assert code == 2
    assert "is there already" in error


def test_names_outside_of_the_folder_are_refused(called):
    assert called("new", "sums.jsonl", "--name", "../x")[0] == 2


@pytest.mark.parametrize("name", ["qa/a@b", "qa/my sums", "qa/a*", "qa\\\\a", "qa/a\\n"])
def test_names_of_other_signs_are_refused(called, tmp_path, name):
    code, _, error = called("new", "sums.jsonl", "--name", name)
    assert code == 2
    assert "letters, digits, '_', '-', '.' and '/' only" in error
    assert not (tmp_path / "templates").exists()


def test_names_may_be_of_any_script(called, tmp_path):
    assert called("new", "sums.jsonl", "--name", "数学/add-2.v_1")[0] == 0
    assert (tmp_path / "templates/数学/add-2.v_1.jinja").is_file()


def test_conversations_are_pointed_to_ingest_chat(called, tmp_path):
    (tmp_path / "chat.jsonl").write_text('{"prompt": "Hi", "completion": "Ho"}\n')
    code, _, error = called("new", "chat.jsonl")
    assert code == 2
    assert "ingest.chat" in error


def test_nothing_is_renamed_for_headers_that_are_no_variables(called, tmp_path):
    lines = [f'Plant {n},{n},"Water it, but not on day {n} of the month.",{["no", "yes"][n % 2]}' for n in range(12)]
    (tmp_path / "plants.csv").write_text("\n".join(["Plant Name,id,Care Notes,Toxic to pets", *lines]))
    code, said, _ = called("new", "plants.csv")
    assert code == 0
    line = said.strip().splitlines()[-1]
    assert "--column 'care_notes=Care Notes'" in line
    code, shown, _ = called(*shlex.split(line)[2:-1])
    assert (code, "12 rows: 12 examples, 0 dropped" in shown) == (0, True)
    (recipe,) = [line.strip("# ") for line in said.splitlines() if "stage: render" in line]
    (ingest,) = [line.strip("# ") for line in said.splitlines() if "stage: ingest" in line]
    (tmp_path / "recipe.yaml").write_text(f"steps:\n  {ingest}\n  {recipe}\n")
    assert [step.noun for step in load_recipe(tmp_path / "recipe.yaml").steps.values()] == [Document, Example]
    assert called("new", "plants.csv", "--answer", "Toxic to pets", "--name", "a/toxic")[0] == 0
    assert '- "yes"' in (tmp_path / "templates/a/toxic.jinja").read_text()
