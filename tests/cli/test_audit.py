import json

import pytest
from click.testing import CliRunner

from instructkit.cli.main import cli

GOOD = {"instruction": "Name a river that flows through the old town.", "output": "The Vltava flows through Prague."}
COPIED = [GOOD, GOOD]
EMPTY = [GOOD, {"instruction": "Name another one.", "output": ""}]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a file for each verdict."""
    for name, rows in {"clean": [GOOD], "copied": COPIED, "empty": EMPTY}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def audit(here):
    """Call `instructkit audit`; gives the result."""
    return lambda *words: CliRunner().invoke(cli, ["audit", *words])


@pytest.mark.parametrize(
    ("words", "code", "begins"),
    [
        (["clean.json"], 0, "CLEAN     no errors and no warnings in 1 row\nclean.json: format alpaca"),
        (["copied.json"], 0, "WARNINGS  nothing wrong for certain; 1 of 2 rows (50.0%) is worth a look"),
        (["copied.json", "--strict"], 1, "WARNINGS"),
        (["empty.json"], 1, "ERRORS    1 of 2 rows (50.0%) is wrong"),
        (["clean.json", "empty.json"], 1, "ERRORS    1 of 3 rows (33.3%) is wrong; 1 more is worth a look"),
    ],
)
def test_the_first_line_is_the_verdict_and_the_exit_code_agrees(audit, words, code, begins):
    done = audit(*words)
    assert done.exit_code == code, done.output
    assert done.stdout.startswith(begins)


def test_json_goes_to_a_file_beside_the_summary_or_alone_to_standard_output(audit, here):
    done = audit("empty.json", "--json", "found.json")
    assert done.stdout.startswith("ERRORS")
    found = json.loads((here / "found.json").read_text())
    assert (found["verdict"], found["rows"], found["rows_with"]["error"]) == ("errors", 2, 1)
    (finding,) = found["findings"]
    assert (finding["check"], finding["rules"]) == ("empty", {"empty_answer": 1})
    assert (finding["rows"][0]["file"], finding["rows"][0]["line"]) == ("empty.json", 2)
    alone = audit("empty.json", "--json", "-")
    assert json.loads(alone.stdout) == found
    assert alone.exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["clean.json", "--chat-template", "llama"], "expected chatml, or a file that ends in .jinja"),
        (["clean.json", "--chat-template", "nowhere.jinja"], "nowhere.jinja"),
        (["clean.json", "--model", "no/such/model"], "no/such/model"),
        (["clean.json", "--against", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_is_not_there_is_a_fault_of_the_call(audit, words, said):
    done = audit(*words)
    assert (done.exit_code, said in str(done.exception)) == (1, True)
    assert done.exception.exit_code == 2


def test_a_recipe_stands_for_what_was_built_of_it(audit, built):
    done = audit(str(built.folder.parent.parent / "recipes/notes.yaml"), "--json", "-")
    found = json.loads(done.stdout)
    assert (found["paths"], set(found["splits"])) == ([str(built.folder)], {"train", "validation", "test"})


def test_columns_are_named_as_for_verify(audit, here):
    (here / "riddles.json").write_text(json.dumps([{"riddle": GOOD["instruction"], "solved": GOOD["output"]}]))
    assert "--column prompt=NAME" in " ".join(audit("riddles.json").stdout.split())
    assert audit("riddles.json", "--column", "prompt=riddle", "--column", "answer=solved").stdout.startswith("CLEAN")
    wrong = audit("riddles.json", "--column", "reply=solved")
    assert "expected prompt, answer or passage" in str(wrong.exception)
