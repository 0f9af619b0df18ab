import json

import pytest
from click.testing import CliRunner

from instructkit.cli.templates import templates

SOURCE = """---
summary: Say it.
task: saying
inputs: [text]
tests:
  - given: {text: a}
    expect: [{role: assistant, content: a}]
---
{% block assistant %}{{ text }}{% endblock %}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "templates/mine").mkdir(parents=True)
    (tmp_path / "templates/mine/say.jinja").write_text(SOURCE)

    def invoke(*arguments):
        return CliRunner().invoke(templates, [*arguments, "--project", str(tmp_path)])

    invoke.file = tmp_path / "templates/mine/say.jinja"
    return invoke


def test_ls_lists_the_project_and_the_library(run):
    result = run("ls")
    assert result.exit_code == 0
    assert "mine/say\tsaying\tSay it." in result.output.split("\n")
    assert "python/explain_function\t" in result.output


def test_ls_as_json_is_for_scripts(run):
    (found,) = json.loads(run("ls", "mine/*", "--json").output)
    assert (found["name"], found["inputs"], found["tests"]) == ("mine/say", ["text"], 1)


def test_tests_that_pass_exit_0(run):
    result = run("test", "mine/*")
    assert (result.exit_code, result.output) == (0, "1 templates, 1 tests, 0 failed\n")


def test_tests_that_fail_exit_1_with_a_diff(run):
    run.file.write_text(SOURCE.replace("content: a", "content: b"))
    result = run("test", "mine/*")
    assert result.exit_code == 1
    assert "    -b\n    +a\n" in result.output
    assert json.loads(run("test", "mine/*", "--json").output)[0]["passed"] is False


@pytest.mark.parametrize("command", ["ls", "test"])
def test_a_faulty_template_exits_2_and_says_where(run, command):
    run.file.write_text(SOURCE.replace("{{ text }}", "{{ txt }}{{ text }}"))
    result = run(command, "mine/*")
    assert result.exit_code == 2
    assert "say.jinja:9:25: block 'assistant' uses 'txt'" in result.stderr


def test_a_pattern_that_matches_nothing_exits_2(run):
    result = run("test", "mine/sya")
    assert result.exit_code == 2
    assert "did you mean 'mine/say'?" in result.stderr
