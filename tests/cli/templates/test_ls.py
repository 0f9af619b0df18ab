import json


def test_ls_lists_the_project_and_the_library(run):
    result = run("ls")
    assert result.exit_code == 0
    assert "mine/say\tsaying\tSay it." in result.output.split("\n")
    assert "python/explain_function\t" in result.output


def test_ls_as_json_is_for_scripts(run):
    (found,) = json.loads(run("ls", "mine/*", "--json").output)
    assert (found["name"], found["inputs"], found["tests"]) == ("mine/say", ["text"], 1)


def test_an_unknown_command_on_templates_is_refused_with_the_closest(run):
    result = run("tets")
    assert result.exit_code == 2
    assert "no command 'tets'; did you mean 'test'?" in result.stderr
