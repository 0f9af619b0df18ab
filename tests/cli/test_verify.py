"""`instructkit verify` as a person and as a script call it."""

import json

import pytest
from click.testing import CliRunner

from instructkit.cli.main import main

WORDS = "harbour bridge salt clock owl bread rain map tin sea lamp rope gate stone field mill oar nest"


def row(number):
    """A row like no other."""
    said = " ".join(f"{word}{number * 7 % (place + 11)}x{number}" for place, word in enumerate(WORDS.split()))
    return {"question": f"What of {said}?", "answer": f"It was {said[::-1]}."}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a set that is clean and one that is not."""
    for name, test in (("clean", [row(100), row(101)]), ("leaky", [row(100), row(3)])):
        (tmp_path / name).mkdir()
        for split, rows in (("train", [row(n) for n in range(20)]), ("test", test)):
            text = "".join(json.dumps(each) + "\n" for each in rows)
            (tmp_path / name / f"{split}.jsonl").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def verify(capsys):
    """Call `instructkit verify`; gives (exit code, standard output, standard error)."""

    def run(*words):
        try:
            main(["verify", *words], standalone_mode=False)
            code = 0
        except SystemExit as error:
            code = error.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_clean_set_is_said_to_be_so_and_exits_0(here, verify):
    code, out, err = verify("clean")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "clean  (2 files, 22 rows: train 20  test 2)"
    assert out.splitlines()[1] == "CLEAN  nothing of one split stands in another"


def test_a_leak_is_shown_with_both_rows_and_exits_1(here, verify):
    code, out, _ = verify("leaky")
    assert code == 1
    lines = out.splitlines()
    assert lines[1] == "LEAKS  1 of 2 rows of test (50.0%) stand in train"
    said = [" ".join(line.split()) for line in lines]
    assert "same conversation 1" in said
    assert "rows that cross 1 of 2" in said
    assert "same conversation leaky/test.jsonl:2 leaky/train.jsonl:4" in said
    assert max(map(len, lines)) <= 120


def test_no_more_rows_are_shown_than_were_asked_for(here, verify):
    _, out, _ = verify("leaky", "--rows", "0")
    assert "leaky/test.jsonl:2" not in out


def test_json_goes_to_a_file_beside_the_table_or_alone_to_standard_output(here, verify):
    code, out, _ = verify("leaky", "--json", "found.json")
    assert (code, out.count("LEAKS")) == (1, 1)
    found = json.loads((here / "found.json").read_text())
    code, out, _ = verify("leaky", "--json", "-")
    assert code == 1
    assert json.loads(out) == found
    assert found["datasets"][0]["evidence"][0]["later"]["line"] == 2


def test_an_evaluation_is_looked_for(here, verify):
    (here / "exam.jsonl").write_text(json.dumps(row(5)) + "\n")
    code, out, _ = verify("clean", "--against", "exam.jsonl")
    assert code == 1
    assert "LEAKS  1 of 1 rows of exam.jsonl (100.0%) stand here" in out
    assert "  holds a row of an evaluation  clean/train.jsonl:6  exam.jsonl:1" in out.splitlines()


def test_what_could_not_be_compared_exits_2_beside_the_table(here, verify):
    with (here / "clean/train.jsonl").open("a") as file:
        file.write("{broken\n" * 9)
    code, out, err = verify("clean")
    assert (code, err) == (2, "")
    assert out.splitlines()[1].startswith("NOT ALL COMPARED  9 of 29 rows of clean/train.jsonl")
    code, out, _ = verify("clean", "--json", "-")
    assert (code, json.loads(out)["datasets"][0]["verdict"]) == (2, "not_all_compared")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch"], "nosuch: no such file or folder"),
        (["clean/train.jsonl"], "only the split 'train' (20 rows), so there is nothing to compare"),
        (["clean", "--step", "final"], "`final` names a step, which only the folder of a build"),
        (["clean", "--column", "colour=red"], "--column colour=…: expected prompt, answer or passage"),
        (["broken"], "the gzip file is truncated"),
        (["clean", "--against", "nosuch.jsonl"], "nosuch.jsonl: no such file or folder"),
    ],
)
def test_what_cannot_be_told_exits_2_with_the_reason(here, verify, words, message):
    (here / "broken").mkdir()
    (here / "broken/train.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01")
    code, out, err = verify(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_a_recipe_stands_for_its_build(built, verify):
    code, out, _ = verify(str(built.folder.parent.parent / "recipes/notes.yaml"))
    assert code == 0, out
    assert ": chat  (" in out.splitlines()[0]
    assert "same group" in out


def test_the_help_says_what_the_exit_code_means():
    from instructkit.cli.main import cli

    assert "Exit code: 0 nothing crosses, 1 something does" in CliRunner().invoke(cli, ["verify", "--help"]).output
