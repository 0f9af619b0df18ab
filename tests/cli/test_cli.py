import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from instructkit.cli.main import cli, main


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in a folder; gives (exit code, output, errors)."""

    def run(folder: Path, *args: str):
        monkeypatch.chdir(folder)
        code = 0
        try:
            main(list(args))
        except SystemExit as leave:
            code = leave.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def commands(group=cli, path=""):
    """(words, summary in the group's list, command) of every command, groups before their own."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield f"{path}{name}", group.summaries[name] if hasattr(group, "summaries") else command.help, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def test_every_command_says_what_the_group_says_of_it():
    for words, summary, command in commands():
        assert command.help, words
        assert summary.endswith("."), words
        result = CliRunner().invoke(cli, [*words.split(), "--help"])
        assert result.exit_code == 0, words


def test_every_option_of_every_command_is_documented():
    for words, _, command in commands():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{words} {parameter.name}"


def test_help_loads_nothing_heavy(environment):
    heavy = {"torch", "transformers", "datasets", "polars", "pyarrow", "numpy", "jinja2", "rich", "msgspec", "yaml"}
    code = (
        "import sys; from instructkit.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert not heavy & set(re.findall(r"'([^']+)'", done.stderr))
    assert "Build a recipe's dataset" in done.stdout


def test_check_and_build_load_no_torch(project, environment):
    code = (
        "import sys; from instructkit.cli.main import main\n"
        "for command in (['check'], ['build', '--workers', '1']):\n"
        "    main([*command, 'recipes/notes.yaml'], standalone_mode=False)\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.splitlines()[-1:] == ["False False"], done.stderr


def test_an_unknown_command_is_refused_with_the_closest(run, tmp_path):
    code, _, errors = run(tmp_path, "bild")
    assert code == 2
    assert "no command 'bild'; did you mean 'build'?" in errors


def test_a_first_project_works_from_init_to_export(run, tmp_path):
    code, out, _ = run(tmp_path, "init", "mine")
    assert code == 0
    assert "wrote" in out
    project = tmp_path / "mine"
    assert run(project, "check", "recipes/first.yaml")[0] == 0
    code, out, errors = run(project, "build", "recipes/first.yaml", "--workers", "1")
    assert code == 0, errors
    assert "near_duplicate" in out
    code, out, _ = run(project, "show")
    assert "assistant" in out
    example = re.search(r"^(\S+/articles/headline)", out, re.M).group(1)
    code, out, _ = run(project, "why", example)
    assert "articles.jsonl:" in out
    assert "templates/articles/headline.jinja" in out
    code, out, _ = run(project, "export", "--format", "alpaca", "--out", "alpaca")
    assert code == 0
    rows = [
        json.loads(line)
        for path in sorted((project / "alpaca").glob("*.json*"))
        for line in path.read_text().splitlines()
    ]
    assert len(rows) == 5
    assert {"instruction", "output"} <= set(rows[0])
    assert run(project, "templates", "test")[0] == 0
    assert "kept  mine" in run(tmp_path, "init", "mine")[1]


def test_a_faulty_recipe_exits_with_2_and_every_fault(run, project):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("min_words", "min_word").replace("threshold", "treshold"))
    code, _, errors = run(project, "check", "recipes/notes.yaml")
    assert code == 2
    assert "2 problems" in errors
    assert "did you mean 'min_words'" in errors
    assert "did you mean 'threshold'" in errors


def test_a_run_that_fails_exits_with_1(run, project):
    shutil.rmtree(project / "data/one")
    code, _, errors = run(project, "build", "recipes/notes.yaml", "--workers", "1")
    assert code == 1
    assert "data/one" in errors


def test_a_missing_build_exits_with_2_and_says_how_to_make_one(run, tmp_path):
    code, _, errors = run(tmp_path, "show")
    assert code == 2
    assert "instructkit build RECIPE" in errors


@pytest.mark.parametrize("command", [("plan", "recipes/notes.yaml"), ("build", "recipes/notes.yaml", "--workers", "1")])
def test_json_output_is_json(run, project, command):
    code, out, _ = run(project, *command, "--json")
    assert code == 0
    assert json.loads(out)


def test_a_plan_says_what_near_duplicates_will_be_found(run, project):
    _, out, _ = run(project, "plan", "recipes/notes.yaml")
    assert "recall" in out
    assert "0.8: > 99.9%" in out


def test_a_plan_for_no_rows_has_no_heading_without_lines(run, project):
    (project / "recipes/none.yaml").write_text(
        "recipe: none\nsteps:\n  raw: {stage: ingest.jsonl, path: data/one/*.jsonl, text: body}\n"
        "  few: {stage: filter.length, min_words: 1000000}\n  sets: {stage: split}\n"
    )
    assert run(project, "build", "recipes/none.yaml", "--workers", "1")[0] == 0
    code, out, _ = run(project, "plan", "recipes/none.yaml")
    assert code == 0
    assert "sets" in out
    assert "sets:" not in out


def test_clusters_of_duplicates_can_be_looked_at(run, built):
    root = built.folder.parent.parent
    _, out, _ = run(root, "show", "unique", "--clusters")
    assert "2 records in 1 cluster; beside each record" in out
    assert re.search(
        r"kept     \S+  notes\.jsonl:\d+  0\.\d{3} to three-900\n  dropped  three-900  notes\.jsonl:41", out
    )
    _, out, _ = run(root, "show", "unique", "--clusters", "--json")
    assert {row["survivor"] for row in map(json.loads, out.splitlines())} >= {None}
    assert "found no duplicates" in run(root, "show", "long", "--clusters")[1]


def test_rows_can_be_looked_at_by_step_condition_and_id(run, built):
    root = built.folder.parent.parent
    _, out, _ = run(root, "show", "unique", "--where", "id = 'one-3'", "--json")
    assert json.loads(out)["id"] == "one-3"
    _, out, _ = run(root, "show", "final", "--id", "one-3/notes/write")
    assert "Write a note called Note 3." in out
    _, out, _ = run(root, "show", "long", "--dropped")
    assert "min_words" in out
    code, _, errors = run(root, "show", "unique", "--where", "idd = 'x'")
    assert code == 2
    assert "columns: id, source" in errors


def test_stages_lists_every_stage_and_its_keys(run, tmp_path):
    _, out, _ = run(tmp_path, "stages")
    assert "dedupe.minhash" in out
    _, out, _ = run(tmp_path, "stages", "filter.length")
    assert "min_words" in out
    _, out, _ = run(tmp_path, "stages", "--schema")
    assert json.loads(out)["title"] == "instructkit recipe"
    assert run(tmp_path, "stages", "filter.lenght")[0] == 2


def test_a_folder_that_cannot_be_made_is_named_without_a_traceback(run, project):
    (project / "blocked").write_text("a file")
    code, _, errors = run(project, "build", "recipes/notes.yaml", "--build-dir", "blocked/build", "--workers", "1")
    assert code == 1
    assert "blocked" in errors
    assert "Traceback" not in errors
