import json

import pytest


def test_tests_that_pass_exit_0(run):
    result = run("test", "mine/*")
    assert (result.exit_code, result.output) == (0, "1 templates, 1 tests, 0 failed\n")


def test_tests_that_fail_exit_1_with_a_diff(run, source):
    run.file.write_text(source.replace("content: a", "content: b"))
    result = run("test", "mine/*")
    assert result.exit_code == 1
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
