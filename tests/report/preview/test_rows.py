"""Which rows a preview takes: of files, of steps, of tests."""

import json

import pytest

from instructkit.errors import UsageFault
from instructkit.report.preview.rendering import render
from instructkit.report.preview.rows import rows_of, spread
from instructkit.schema import Document, records


def documents(rows):
    return list(records(Document, rows.documents))


def test_rows_of_a_file_are_what_a_build_would_read(template):
    rows = rows_of("notes.jsonl", [template], text="body", source="raw", seed=3)
    assert [d.text for d in documents(rows)] == ["The moon pulls the sea.", "Yeast eats sugar."]
    assert documents(rows)[0].id.startswith("raw-")
    assert rows.read_by == {"stage": "ingest.jsonl", "path": "notes.jsonl", "text": "body"}
    assert rows.unread["rule"].to_list() == ["empty_text"]
    assert rows.seed == 3


def test_the_text_is_the_one_column_that_no_input_names(template, project):
    (project / "two.jsonl").write_text(json.dumps({"words": "The sea.", "title": "Sea"}) + "\n")
    assert rows_of("two.jsonl", [template]).read_by["text"] == "words"


def test_of_several_columns_the_text_is_not_guessed(template):
    with pytest.raises(
        UsageFault, match=r"no column 'text', which mine/name reads; say by --text .* body, title, link"
    ):
        rows_of("notes.jsonl", [template])


def test_a_template_without_text_gets_its_columns_as_fields(project, template):
    source = (project / "templates/mine/name.jinja").read_text().replace("text", "body")
    (project / "templates/mine/other.jinja").write_text(source)
    from instructkit.report.preview.choice import choose

    (choice,) = choose(["mine/other"], project)
    rows = rows_of("notes.jsonl", [choice.load()])
    assert rows.read_by == {"stage": "ingest.jsonl", "path": "notes.jsonl", "text": "body", "fields": ["body", "title"]}
    assert json.loads(documents(rows)[0].fields) == {"body": "The moon pulls the sea.", "title": "Tides"}


def test_ids_choose_rows_and_may_be_those_of_examples(template):
    first = documents(rows_of("notes.jsonl", [template], text="body"))[0].id
    for name in (first, f"{first}/mine/name"):
        assert [d.id for d in documents(rows_of("notes.jsonl", [template], text="body", ids=[name]))] == [first]
    with pytest.raises(UsageFault, match=r"--ids: notes\.jsonl has no row x"):
        rows_of("notes.jsonl", [template], text="body", ids=["x"])


def test_without_rows_those_of_the_tests_are_taken(template):
    rows = rows_of(None, [template])
    assert [(d.id, d.text, d.fields) for d in documents(rows)] == [("test 1", "The sea.", '{"title":"Sea"}')]


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("{root}/recipes/notes.yaml:clean", "clean"),
        ("{root}/build/notes:long", "long"),
        ("{root}/build/notes", "unique"),
    ],
)
def test_rows_of_a_step_have_the_seed_of_the_recipe(built, template, where, named):
    root = built.folder.parents[1]
    rows = rows_of(where.format(root=root), [template])
    assert rows.said.startswith(f"step '{named}' of ")
    assert (rows.seed, rows.documents.height) == (7, built.step(named).rows_kept)


def test_a_step_alone_is_one_of_the_build_that_is_named(built, template):
    assert rows_of("clean", [template], build=built.folder).documents.height == built.step("clean").rows_kept


def test_steps_that_hold_no_documents_are_refused_with_those_that_do(built, template):
    with pytest.raises(UsageFault, match=r"'pairs' .*holds examples, rendered already; steps with documents: one, two"):
        rows_of("pairs", [template], build=built.folder)
    with pytest.raises(UsageFault, match="did you mean 'clean'"):
        rows_of("claen", [template], build=built.folder)
    with pytest.raises(UsageFault, match="say how to read a file"):
        rows_of("clean", [template], build=built.folder, text="body")


def test_spread_takes_from_all_over():
    assert spread(10, 3) == [0, 3, 6]
    assert spread(2, 5) == [0, 1]


def test_columns_are_for_steps_of_builds_too(built, template):
    rows = rows_of("clean", [template], build=built.folder, columns={"title": "number"})
    assert rows.read_from == {"title": "number"}
    (result,) = render(template, rows, limit=1)
    assert result.shown[0].messages[1].content.isdigit()
