"""A template and rows for previews."""

import json

import pytest

from instructkit.report.preview.choice import choose

SOURCE = """\
---
summary: Ask for a title.
task: title
inputs: [text, title]
phrasings:
  plain: "Name this: {{ text }}"
  polite: "Please name this: {{ text }}"
tests:
  - given: {text: The sea., title: Sea}
    expect_drop: missing_input
---
{% block user %}{{ phrasing }}{% endblock %}
{% block assistant %}{{ title }}{% endblock %}
"""
ROWS = [
    {"body": "The moon pulls the sea.", "title": "Tides", "link": "a"},
    {"body": "Yeast eats sugar.", "title": "", "link": "b"},
    {"body": "", "title": "Nothing", "link": "c"},
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with one template and one data file, the current one."""
    (tmp_path / "templates/mine").mkdir(parents=True)
    (tmp_path / "templates/mine/name.jinja").write_text(SOURCE)
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def template(project):
    """The template of the project."""
    return choose(["mine/name"], project)[0].load()
