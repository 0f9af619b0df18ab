"""`instructkit templates import promptsource`, called as a user calls it."""

import json

import pytest

from instructkit.cli.main import main

YAML = """\
dataset: tea
subset: null
templates:
  1a: !Template
    answer_choices: no ||| yes
    id: 1a
    jinja: 'Is {{name}} green? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {choices_in_prompt: false, languages: [en], metrics: [Accuracy], original_task: true}
    name: is green
    reference: ''
  2b: !Template
    answer_choices: null
    id: 2b
    jinja: '{{ ["Name", "Give"] | choice }} a tea. ||| {{name}}'
    metadata: !TemplateMetadata {languages: [en], metrics: [Other]}
    name: any tea
    reference: ''
  3c: !Template {answer_choices: null, id: 3c, jinja: 'A tea like {{name}}', metadata: null, name: open, reference: ''}
"""


@pytest.fixture
def run(tmp_path, capsys):
    (tmp_path / "templates.yaml").write_text(YAML)

    def run(*arguments):
        code = 0
        try:
            main(["templates", "import", "promptsource", str(tmp_path / "templates.yaml"), *arguments])
        except SystemExit as end:
            code = end.code or 0
        return code, capsys.readouterr().out

    return run


def test_what_is_converted_is_written_and_what_is_not_is_listed(run, tmp_path):
    code, out = run("--out", str(tmp_path / "out"))
    lines = out.splitlines()
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out/tea").iterdir()) == ["any_tea.jinja", "is_green.jinja"]
    assert any(line.endswith("templates.yaml:18: 'open': not converted: no separator: " + OPEN) for line in lines)
    assert "     1  converted" in lines
    assert "     1  converted, with warnings" in lines
    assert "     1  not converted: no separator" in lines
    assert f"2 of 3 templates written to {tmp_path / 'out'}" in lines


OPEN = "without '|||' there is a prompt and no answer"


def test_json_says_the_same(run, tmp_path):
    code, out = run("--out", str(tmp_path / "out"), "--json", "--task", "tea")
    report = json.loads(out)
    assert code == 0
    assert report["counts"] == {"converted": 1, "converted, with warnings": 1, "not converted: no separator": 1}
    assert [t["converted"] for t in report["templates"]] == [True, True, False]
    assert "task: tea\n" in (tmp_path / "out/tea/is_green.jinja").read_text()


def test_an_existing_file_is_a_fault_of_the_command_line(run, tmp_path):
    (tmp_path / "out/tea").mkdir(parents=True)
    (tmp_path / "out/tea/is_green.jinja").write_text("mine")
    assert run("--out", str(tmp_path / "out"))[0] == 2
    assert not (tmp_path / "out/tea/any_tea.jinja").exists()
