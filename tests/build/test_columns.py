"""A file whose headers are no names of variables, rendered as it is."""

import pytest

from instructkit.build.keys import KeyedStage
from instructkit.schema import Drop, Example, records
from instructkit.stages.render.render import Render

RECIPE = """\
recipe: plants
steps:
  plants: {stage: ingest.csv, path: data/plants.csv, text: Name}
  asked:
    stage: render
    templates: [notes/*, care]
    columns: {title: "Care Notes", 毒性: 'Toxic, to "pets"', number: fields.id}
"""
CARE = """\
---
summary: Ask whether a plant is toxic.
task: qa
inputs: [text, 毒性, number]
---
{% block user %}{{ number }}. {{ text }}?{% endblock %}
{% block assistant %}{{ 毒性 }}{% endblock %}
"""
CSV = """\
id,Name,Care Notes,"Toxic, to ""pets\"""
17,Ficus,"Bright, no draughts.",yes
18,Aloe,,no
"""


@pytest.fixture
def plants(project):
    (project / "data/plants.csv").write_text(CSV, encoding="utf-8")
    (project / "templates/care.jinja").write_text(CARE, encoding="utf-8")
    (project / "recipes/plants.yaml").write_text(RECIPE, encoding="utf-8")
    return project


def build(project, run_build):
    return run_build(project, recipe="recipes/plants.yaml")


def test_awkward_headers_reach_templates_and_drops_name_input_and_column(plants, run_build):
    made = build(plants, run_build).build
    said = {
        (e.template, e.messages[0].content, e.messages[1].content)
        for e in records(Example, made.rows("asked").collect())
    }
    assert said == {
        ("notes/title", "Give this note a title: Ficus", "Bright, no draughts."),
        ("notes/write", "Write a note called Bright, no draughts..", "Ficus"),
        ("care", "17. Ficus?", "yes"),
        ("care", "18. Aloe?", "no"),
    }
    drops = list(records(Drop, made.drops().collect()))
    assert {(d.template, d.rule, d.value) for d in drops} == {
        ("notes/title", "missing_input", "title"), ("notes/write", "missing_input", "title"),
    }  # fmt: skip
    assert all("read from the column 'Care Notes'" in d.detail for d in drops)


def test_another_column_renders_the_templates_that_read_it_and_no_others(plants, run_build, ran):
    build(plants, run_build)
    recipe = plants / "recipes/plants.yaml"
    recipe.write_text(RECIPE.replace("fields.id", "id"), encoding="utf-8")
    assert ran(build(plants, run_build)) == {"asked": 1}


def test_columns_are_part_of_the_key(project):
    def keyed(**columns):
        stages = Render(templates=["notes/title"], **columns).unfold(project)
        return [KeyedStage("s", "render", stage, project).keyed_fields for stage in stages]

    assert keyed() == keyed(columns={"title": "title"})
    assert keyed(columns={"title": "a"})[0]["columns"] == {"title": "a"}
