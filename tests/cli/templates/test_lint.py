import json

import pytest

CLEAN = """---
summary: Ask for a title.
task: titles
inputs: [text, title]
languages: [en]
license: CC0-1.0
tests:
  - given: {text: The moon pulls the sea., title: Tides}
    expect: [{role: user, content: "Give it a title: The moon pulls the sea."}, {role: assistant, content: Tides}]
---
{% block user %}Give it a title: {{ text }}{% endblock %}
{% block assistant %}{{ title }}{% endblock %}
"""


@pytest.fixture
def lint(run, monkeypatch, tmp_path):
    """Lints the project's templates; beside a library of none, since all of it is read to find duplicates."""
    monkeypatch.setattr("instructkit.templates.library.library_folder", lambda: tmp_path / "library")
    run.file.write_text(CLEAN)

    def lint(*arguments):
        return run("lint", "mine/*", *arguments)

    lint.file = run.file
    lint.run = run
    return lint


def test_a_clean_template_exits_0(lint):
    assert lint() == (0, "1 templates, 0 errors, 0 warnings\n", "")


def test_the_templates_that_come_with_instructkit_are_clean(run):
    run.file.unlink()
    done = run("lint", "--strict")
    assert done.exit_code == 0, done.output


def test_warnings_exit_0_or_with_strict_1(lint):
    lint.file.write_text(CLEAN.replace("a title.\n", "a title\n").replace("license: CC0-1.0\n", ""))
    done = lint()
    assert done.exit_code == 0
    assert "say.jinja:2:1: warning: the summary does not end with a full stop;" in done.output
    assert done.output.endswith("[missing_license]\n1 templates, 0 errors, 2 warnings\n")
    assert lint("--strict").exit_code == 1


def test_errors_exit_1(lint):
    lint.file.write_text(CLEAN.replace("{{ text }}", "{{ text }} {{ title }}"))
    done = lint()
    assert done.exit_code == 1
    assert "say.jinja:11:48: error: block 'user' prints 'title'" in done.output


def test_faults_of_all_templates_come_at_once_and_exit_2(lint):
    lint.file.write_text(CLEAN.replace("{{ text }}", "{{ txt }}{{ text }}{{ ttle }}"))
    lint.file.with_name("other.jinja").write_text(CLEAN.replace("task:", "taks:"))
    lint.file.with_name("third.jinja").write_text(CLEAN.replace("summary: Ask", "summary: TODO Ask"))
    done = lint()
    assert done.exit_code == 2
    for said in ("uses 'txt'", "uses 'ttle'", "unknown key 'taks'", "[placeholder]"):
        assert said in done.output
    assert "3 templates, 0 errors, 1 warnings, 4 faults" in done.output


def test_a_pattern_that_matches_nothing_exits_2(lint):
    done = lint.run("lint", "mine/sya")
    assert done.exit_code == 2
    assert "did you mean 'mine/say'?" in done.output


def test_json_is_for_scripts(lint):
    lint.file.write_text(CLEAN.replace("license: CC0-1.0\n", ""))
    (finding,) = json.loads(lint("--json").output)
    assert finding.pop("message")
    assert finding.pop("file").endswith("mine/say.jinja")
    expected = {"template": "mine/say", "rule": "missing_license", "severity": "warning", "line": 2, "column": 1}
    assert finding == expected


def test_rows_of_a_file_are_rendered_too(lint, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "", "title": "a"}\n{"text": "b", "title": ""}\n')
    done = lint("--rows", str(rows))
    assert "none of 2 rows gives a conversation (missing_input 2;" in done.output
    rows.write_text('{"text": "b", "title": "a"}\n')
    assert lint("--rows", str(rows)).output == "1 templates, 0 errors, 0 warnings\n"


def test_a_template_is_compared_with_those_that_are_not_linted(lint):
    words = CLEAN.replace("Give it a title:", "Give the following text a short and fitting title:")
    lint.file.write_text(words)
    lint.file.with_name("other.jinja").write_text(words)
    assert "that of 'mine/other'" in lint.run("lint", "mine/say").output
    assert "that of 'mine/say'" in lint.run("lint", "mine/other").output
    assert lint.run("lint", "mine/*").output.count("duplicate_template") == 1
