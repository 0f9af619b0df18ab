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


@pytest.fixture
def rows(tmp_path):
    def write(*records, name="rows.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(record) + "\n" for record in records))
        return str(tmp_path / name)

    return write


def test_rows_of_a_file_are_rendered_too(lint, rows):
    done = lint("--rows", rows({"text": "b", "title": ""}, {"text": "c", "title": " "}))
    assert "none of 2 rows gives a conversation (missing_input 2;" in done.output
    path = rows({"text": "b", "title": "a"}, {"text": "", "title": "a"})
    assert lint("--rows", path).output == (
        f"2 rows read of {path}, 1 of them no document (the first, rows.jsonl:2: empty_text: 'text' is empty); with "
        "all inputs of the template\n1 templates, 0 errors, 0 warnings\n"
    )


def test_rows_are_read_as_a_preview_reads_them(lint, rows):
    path = rows({"Body": "The moon pulls.", "Head": "moon pulls"})
    named = ["--text", "Body", "--column", "title=Head"]
    done = lint("--rows", path, *named)
    assert (done.exit_code, "[answer_in_prompt]" in done.output) == (0, False)
    assert "1 row read" in done.output
    lint.file.write_text(CLEAN.replace("{{ title }}", "{{ title if title != 'moon pulls' else '' }}"))
    assert "none of 1 rows gives a conversation" in lint("--rows", path, *named).output
    found = lint("--rows", path, *named, "--json")
    assert json.loads(found.output)[0]["rule"]
    assert "1 row read" in found.stderr


def test_it_is_said_for_how_many_templates_rows_had_all_inputs(lint, rows):
    other = CLEAN.replace("[text, title]", "[text, title, genre]").replace("Tides}\n", "Tides, genre: a poem}\n")
    lint.file.with_name("other.jinja").write_text(other.replace("it a title", "{{ genre }} a title"))
    done = lint("--rows", rows({"text": "b", "title": "a"}))
    assert "; with all inputs of 1 of 2 templates\n" in done.output


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"text": "b", "Head": "a"}], "no row has 'title', which mine/say reads (columns: text, Head); --column"),
        ([{"Body": "b", "Foot": "c", "title": "a"}], "no column 'text', which mine/say reads"),
        ([], "0 rows read"),
        ([{"text": "", "title": "a"}], "empty_text: 'text' is empty); none can be used: none is a document"),
    ],
)
def test_a_file_of_which_no_row_can_be_used_is_an_error_that_says_why(lint, rows, records, said):
    done = lint("--rows", rows(*records))
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_options_on_rows_need_rows(lint):
    assert "name it by --rows" in lint("--column", "title=Head").stderr


def test_a_template_is_compared_with_those_that_are_not_linted(lint):
    words = CLEAN.replace("Give it a title:", "Give the following text a short and fitting title:")
    lint.file.write_text(words)
    lint.file.with_name("other.jinja").write_text(words)
    assert "that of 'mine/other'" in lint.run("lint", "mine/say").output
    assert "that of 'mine/say'" in lint.run("lint", "mine/other").output
    assert lint.run("lint", "mine/*").output.count("duplicate_template") == 1
