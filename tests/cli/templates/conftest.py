"""A project with one template of its own, and a way to call `instructkit templates` on it."""

from typing import NamedTuple

import pytest

from instructkit.cli.main import main

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


class Done(NamedTuple):
    exit_code: int
    output: str
    stderr: str


@pytest.fixture
def source():
    return SOURCE


@pytest.fixture
def run(tmp_path, capsys):
    """`run("ls")` calls `instructkit templates ls --project …`; `run.file` is the project's template."""
    (tmp_path / "templates/mine").mkdir(parents=True)
    file = tmp_path / "templates/mine/say.jinja"
    file.write_text(SOURCE)

    def run(*arguments):
        code = 0
        try:
            main(["templates", *arguments, "--project", str(tmp_path)])
        except SystemExit as leave:
            code = leave.code or 0
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    run.file = file
    return run
