import json

import pytest


def test_tests_that_pass_exit_0(run):
    result = run("test", "mine/*")
    assert (result.exit_code, result.output) == (0, "1 templates, 1 tests, 0 failed\n")


def test_tests_that_fail_exit_1_with_a_diff(run, source):
    run.file.write_text(source.replace("content: a", "content: b"))
    result = run("test", "mine/*")
    assert result.exit_code == 1
    assert result.output.startswith(f"{run.file}:6: test 1 failed\n")
    assert "    -b\n    +a\n" in result.output
    assert json.loads(run("test", "mine/*", "--json").output)[0]["passed"] is False


@pytest.mark.parametrize("command", ["ls", "test"])
def test_a_faulty_template_exits_2_and_says_where(run, source, command):
    run.file.write_text(source.replace("{{ text }}", "{{ txt }}{{ text }}"))
    result = run(command, "mine/*")
    assert result.exit_code == 2
    assert "say.jinja:9:25: block 'assistant' uses 'txt'" in result.stderr


def test_a_pattern_that_matches_nothing_exits_2(run):
    result = run("test", "mine/sya")
    assert result.exit_code == 2
    assert "did you mean 'mine/say'?" in result.stderr


def test_white_space_at_the_end_of_a_line_is_shown(run, source):
    given = source.replace("{text: a}", r'{text: "a\n b"}').replace("content: a", r'content: "a \t\n b"')
    run.file.write_text(given)
    assert "    -a·⇥\n    +a\n" in run("test", "mine/*").output


def test_an_error_in_a_row_names_file_and_line(run, source):
    run.file.write_text(source.replace("{{ text }}", "{{ text.nope() }}"))
    result = run("test", "mine/*")
    assert result.exit_code == 1
    assert "mine/say.jinja:9" in result.output
