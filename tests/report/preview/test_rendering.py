"""Previews show what the render stage makes, and count what it drops."""

import json
import re

from instructkit.report.preview.rendering import as_json, render
from instructkit.report.preview.rows import rows_of
from instructkit.schema import Drop, Example, records
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.template import from_sources


def test_what_is_shown_is_what_a_build_makes(template):
    rows = rows_of("notes.jsonl", [template], text="body", seed=5)
    (result,) = render(template, rows, limit=10)
    stage = RenderTemplate(template=template.name, template_hash=template.hash, sources=template.sources, seed=5)
    kept, dropped = stage.apply(rows.documents)
    assert result.shown == [*records(Example, kept), *records(Drop, dropped)]
    assert (result.rows, result.kept) == (2, 1)


def test_drops_are_counted_by_rule_and_field(template, project):
    row = {"body": "Yeast.", "title": ""}
    (project / "notes.jsonl").write_text("".join(json.dumps({**row, "n": n}) + "\n" for n in range(30)))
    (result,) = render(template, rows_of("notes.jsonl", [template], text="body"), limit=2)
    (reason,) = result.refused
    assert (reason.rule, reason.value, reason.rows, reason.first.origin.line) == ("missing_input", "title", 30, 1)
    assert len(result.shown) == 2


def test_every_phrasing_is_rendered_on_the_same_rows(template):
    rows = rows_of("notes.jsonl", [template], text="body")
    plain, polite = render(template, rows, limit=10, every_phrasing=True)
    assert (plain.phrasing, plain.shown[0].messages[0].content) == ("plain", "Name this: The moon pulls the sea.")
    assert (polite.phrasing, polite.shown[0].variant) == ("polite", "phrasing=polite")
    assert polite.shown[0].id.endswith("/mine/name@polite")
    assert plain.shown[1].rule == polite.shown[1].rule == "missing_input"


def test_json_holds_messages_weights_and_drops(template):
    rows = rows_of("notes.jsonl", [template], text="body")
    found = as_json(render(template, rows, limit=10), rows)
    kept, dropped = found["templates"][0]["rows"]
    assert kept["messages"][1] == {"role": "assistant", "content": "Tides", "weight": 1.0}
    assert dropped["drop"]["rule"] == "missing_input"
    assert found["unread"][0]["rule"] == "empty_text"
    assert json.loads(json.dumps(found)) == found


def test_each_template_is_rendered_on_its_own_tests(template):
    other = from_sources(
        "mine/other",
        {"mine/other.jinja": template.sources[template.file].replace("The sea.", "A hill.").replace("Sea", "Hill")},
    )
    untested = from_sources(
        "mine/none", {"mine/none.jinja": re.sub(r"tests:\n(  .*\n)+", "", other.sources[other.file])}
    )
    templates = [template, other, untested]
    rows = rows_of(None, templates)
    results = [result for each in templates for result in render(each, rows, limit=10)]
    said = [[example.messages[1].content for example in result.shown] for result in results]
    assert said == [["Sea"], ["Hill"], []]
    assert [result.rows for result in results] == [1, 1, 0]
    found = as_json(results, rows)["templates"]
    assert [[row["messages"][1]["content"] for row in each["rows"]] for each in found] == said


def test_tests_that_give_the_same_id_are_told_apart(template):
    again = "  - given: {id: same, text: A hill., title: Hill}\n    expect_drop: missing_input\n---\n{% block"
    source = (
        template.sources[template.file].replace("{text: The", "{id: same, text: The").replace("---\n{% block", again)
    )
    source = source.replace("inputs: [text, title]", "inputs: [id, text, title]").replace(
        "{{ title }}", "{{ title }} {{ id }}"
    )
    twice = from_sources("mine/twice", {"mine/twice.jinja": source})
    (result,) = render(twice, rows_of(None, [twice]), limit=10)
    assert [example.messages[1].content for example in result.shown] == ["Sea same", "Hill same"]
