"""Previews show what the render stage makes, and count what it drops."""

import json

from instructkit.report.preview.rendering import as_json, render
from instructkit.report.preview.rows import rows_of
from instructkit.schema import Drop, Example, records
from instructkit.stages.render.template import RenderTemplate


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
