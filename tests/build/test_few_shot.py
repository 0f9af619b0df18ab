"""Few-shot as a build: exemplars are the same for any workers, and `why` names them."""

import json

import pytest

from instructkit.errors import StageError
from instructkit.report.why import trace_lines, why
from instructkit.schema import Example, records
from instructkit.stages.ingest import limits

RECIPE = """\
recipe: shots
seed: 7
steps:
  raw:    {stage: ingest.jsonl, path: data/*/notes.jsonl, text: body, key: number}
  sets:   {stage: split, train: 0.6, validation: 0.2, test: 0.2}
  pairs:  {stage: render, templates: [notes/title], shots: [0, 2], pool: 30}
"""


@pytest.fixture
def shots(project, monkeypatch):
    """The project with a recipe that splits, then renders with exemplars, in shards of 25 rows."""
    monkeypatch.setattr(limits, "SHARD_ROWS", 25)
    (project / "data/three").rename(project / "three")  # it has a line that cannot be read, and a near-duplicate
    (project / "recipes/shots.yaml").write_text(RECIPE)
    return project


def run(run_build, project, workers=1):
    return run_build(project, workers, "recipes/shots.yaml").build


def examples(build):
    return list(records(Example, build.rows("pairs").collect()))


def test_exemplars_come_from_the_training_split_of_the_whole_corpus(shots, run_build):
    build = run(run_build, shots)
    made = {e.document_ids[0]: e for e in examples(build)}
    assert len(made) == 80
    assert {e.split for e in made.values()} == {"train", "validation", "test"}
    used = set()
    for e in made.values():
        assert e.variant == f"shots={len(e.exemplar_ids)}"
        assert len(e.messages) == 2 * len(e.exemplar_ids) + 2
        assert {made[name].split for name in e.exemplar_ids} <= {"train"}
        assert e.group not in {made[name].group for name in e.exemplar_ids}
        used.update(e.exemplar_ids)
    assert 15 < len(used) <= 30


def test_workers_change_no_byte(shots, run_build, snapshot):
    run(run_build, shots, workers=2)
    parallel = snapshot(shots / "build")
    build = run(run_build, shots)
    assert snapshot(shots / "build") == parallel
    assert len(build.step("pairs").kept) > 2


def test_a_new_document_of_the_test_split_changes_its_own_example_alone(shots, run_build, more_notes):
    before = {e.id: e for e in examples(run(run_build, shots))}
    taken = next(n for n in range(200, 300) if new_split(shots, run_build, more_notes, n) == "test")
    after = {e.id: e for e in examples(run(run_build, shots))}
    assert set(after) - set(before) == {f"raw-{taken}/notes/title"}
    assert {name: after[name] for name in before} == before


def new_split(project, run_build, more_notes, number):
    more_notes(project / "data/four/notes.jsonl", [number])
    return next(e.split for e in examples(run(run_build, project)) if e.document_ids == [f"raw-{number}"])


def test_why_names_the_exemplars_and_where_they_come_from(shots, run_build):
    build = run(run_build, shots)
    example = next(e for e in examples(build) if e.exemplar_ids)
    trace = why(build, example.id)
    assert [document.id for document in trace.exemplars] == example.exemplar_ids
    assert [document.id for document in trace.documents] == example.document_ids
    said = trace_lines(trace)
    assert "  variant   shots=2" in said
    for name, document in zip(example.exemplar_ids, trace.exemplars, strict=True):
        assert any(f"{name}  {document.origin.file}:{document.origin.line} " in line for line in said)
    plain = why(build, next(e.id for e in examples(build) if not e.exemplar_ids))
    assert plain.exemplars == []


def test_why_finds_the_drop_of_one_of_all_wordings(shots, run_build):
    title = shots / "templates/notes/title.jinja"
    wordings = "phrasings: {plain: 'Title: {{ text }}', terse: '{{ text }}?'}\n---\n"
    wordings += "{% block user %}{{ phrasing }}{% endblock %}"
    head, _, rest = title.read_text().partition("---\n{% block user %}")
    title.write_text(head + wordings + rest.partition("{% endblock %}")[2])
    (shots / "recipes/shots.yaml").write_text(
        RECIPE.replace("shots: [0, 2]", "phrasings: all, shots: 1").replace("notes/title", "notes/*")
    )
    notes = shots / "data/one/notes.jsonl"
    lines = notes.read_text().splitlines()
    first = json.loads(lines[0]) | {"title": ""}
    notes.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    build = run(run_build, shots)
    assert {e.id for e in examples(build) if e.document_ids == ["raw-1"]} == {
        "raw-1/notes/title@plain", "raw-1/notes/title@terse", "raw-1/notes/write",
    }  # fmt: skip
    assert all(e.variant in ("phrasing=plain,shots=1", "phrasing=terse,shots=1", "shots=1") for e in examples(build))
    trace = why(build, f"raw-{first['number']}/notes/title@terse")
    (drop,) = trace.drops
    assert (drop.step, drop.rule, drop.value) == ("pairs", "missing_input", "title")
    assert (drop.template, drop.detail[:15]) == ("notes/title", "phrasing terse:")


def test_without_a_split_above_the_build_stops_and_says_so(shots, run_build):
    recipe = shots / "recipes/shots.yaml"
    recipe.write_text("".join(line for line in RECIPE.splitlines(keepends=True) if "sets:" not in line))
    with pytest.raises(StageError, match=r"step 'pairs', shard 1 .*few-shot needs a split step before render"):
        run(run_build, shots)
