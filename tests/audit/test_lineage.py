"""Builds of ours verify clean, by what each row has of its own; a leak in what they wrote is found."""

import json
import shutil

import pytest
import yaml

from instructkit.audit.lineage import Lineage
from instructkit.audit.verify import datasets_of
from instructkit.build.manifest import Build

LONG = """\
---
summary: Ask for a title, at length.
task: title
inputs: [title, text]
phrasings: ["Give the following note a title that says in a few words what it is about:", "Call this note something."]
---
{% block user %}Here is what you are to do, and please do it with the greatest care that you can: read the note below
from its first word to its last, think about what it is that its writer wanted to tell, and then {{ phrasing }}

{{ text }}{% endblock %}
{% block assistant %}{{ title }}{% endblock %}
"""
RECIPE = """\
recipe: shots
seed: 7
steps:
  raw:    {stage: ingest.jsonl, path: data/short.jsonl, text: body, key: number}
  sets:   {stage: split, train: 0.6, validation: 0.2, test: 0.2}
  pairs:  {stage: render, templates: [notes/long], shots: SHOTS, exemplars: FORM, pool: 5}
  chat:   {stage: export.openai}
  table:  {stage: export.parquet, from: pairs}
"""


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def few_shot(project, run_build, text):
    """`few_shot(form, shots)`: the folder of a build of notes that are much shorter than their template."""

    def build(form="turns", shots=(2,)):
        notes = [{"number": n, "title": text(f"title {n}", 3), "body": text(f"body {n}", 12)} for n in range(40)]
        (project / "data/short.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
        (project / "templates/notes/long.jinja").write_text(LONG)
        recipe = RECIPE.replace("SHOTS", json.dumps(list(shots))).replace("FORM", form)
        assert yaml.safe_load(recipe)
        (project / "recipes/shots.yaml").write_text(recipe)
        return run_build(project, recipe="recipes/shots.yaml").build.folder

    return build


def test_a_build_verifies_clean_export_by_export(built, verified):
    found = verified(built.folder)
    assert found.step == "chat"
    assert found.ours
    assert found.clean, found.evidence[:1]
    assert sum(found.rows.values()) == built.rows("final").collect().height


@pytest.mark.parametrize("form", ["turns", "text"])
@pytest.mark.parametrize("step", ["chat", "table", "pairs"])
def test_shared_exemplars_and_template_text_are_nobodys_own(few_shot, verified, form, step):
    folder = few_shot(form)
    found = verified(folder, step)
    assert found.clean, found.evidence[:1]
    # What was looked at is each row's own note and title, whatever stands in front.
    assert found.short == 0


def test_without_its_build_such_an_export_would_be_taken_for_leaking(few_shot, verified, tmp_path):
    folder = few_shot("text")
    shutil.copytree(folder / "chat", tmp_path / "elsewhere")
    assert not verified(tmp_path / "elsewhere").clean
    found = verified(tmp_path / "elsewhere", build=Build.open(folder))
    assert found.clean
    assert found.ours


@pytest.mark.parametrize("form", ["turns", "text"])
def test_a_leak_behind_exemplars_is_found(few_shot, verified, form):
    folder = few_shot(form)
    train, test = (read_lines(folder / f"chat/{split}.jsonl") for split in ("train", "test"))
    own = train[0]["messages"][-2]["content"].rpartition("\n\n")[2]
    theirs = test[0]["messages"][-2]["content"].rpartition("\n\n")[2]
    test[0]["messages"][-2]["content"] = test[0]["messages"][-2]["content"].replace(theirs, own)
    (folder / "chat/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in test))
    found = verified(folder, "chat")
    assert [(each.later.id, each.earlier.id) for each in found.evidence] == [(test[0]["id"], train[0]["id"])]
    assert found.evidence[0].kind in ("same_prompt", "near_prompt", "near_conversation")


def test_each_export_of_a_build_is_looked_at(few_shot):
    assert [dataset.step for dataset, _ in datasets_of(str(few_shot()))] == ["chat", "table"]


def test_literal_texts_are_those_of_the_templates_and_their_wordings(few_shot):
    literals = Lineage(Build.open(few_shot()), "chat").literals
    assert any(text.startswith("Here is what you are to do") for text in literals)
    endings = ("and then Give the following note a title that says in a few words what it is about:", "something.")
    assert all(any(text.rstrip().endswith(ending) for text in literals) for ending in endings)


def test_what_an_export_leaves_out_is_known_by_id(few_shot, verified):
    found = verified(few_shot(), "chat")
    assert found.ours
    assert set(found.pairs[0].counts) >= {"same_id", "same_document", "same_group"}


def test_a_group_on_both_sides_of_a_build_is_found(project, run_build, verified):
    folder = run_build(project).build.folder
    rows = read_lines(folder / "chat/train.jsonl")
    moved, kept = rows[0], rows[1:]
    (folder / "chat/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    with (folder / "chat/test.jsonl").open("a") as file:
        file.write(json.dumps(moved) + "\n")
    found = verified(folder)
    counts = {kind: sum(pair.counts[kind] for pair in found.pairs) for kind in found.pairs[0].counts}
    # The note's other example stayed in train: it shares the document, and so the group.
    assert counts["same_document"] == counts["same_group"] >= 1


def test_documents_of_a_build_are_compared_too(few_shot, verified):
    found = verified(few_shot(), "sets")
    assert found.clean
    assert found.ours
    assert sum(found.rows.values()) == 40


BARE = """\
---
summary: Ask for any note.
task: writing
inputs: [text]
---
{% block user %}Write a note.{% endblock %}
{% block assistant %}{{ text }}{% endblock %}
"""


def test_a_prompt_that_is_all_template_is_no_leak_but_its_answers_are_compared(project, run_build, verified):
    (project / "templates/notes/title.jinja").write_text(BARE)
    folder = run_build(project).build.folder
    assert verified(folder).clean
    train, test = (read_lines(folder / f"chat/{split}.jsonl") for split in ("train", "test"))
    asked = [row for row in train if row["id"].endswith("notes/title")]
    assert {row["messages"][0]["content"] for row in asked} == {"Write a note."}
    leak = test[0] | {"messages": asked[5]["messages"]}
    (folder / "chat/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [leak, *test[1:]]))
    (evidence,) = verified(folder).evidence
    assert (evidence.kind, evidence.later.line) == ("same_conversation", 1)
