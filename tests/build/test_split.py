"""Divisions as builds: an earlier build keeps every record where it was, and a build that repeats it comes to rest."""

import json

import polars as pl
import pytest

from instructkit.build.build import outlook, planned
from instructkit.errors import InputError, RecipeFault
from instructkit.recipe.recipe import load_recipe
from instructkit.stages.ingest import limits

RECIPE = """\
recipe: kept
seed: 7
steps:
  raw:    {stage: ingest.jsonl, path: data/*/notes.jsonl, text: body, key: number, source: notes}
  pages:  {stage: group.by, keys: [fields.page]}
  pairs:  {stage: render, templates: [notes/*]}
  final:  {stage: split, train: 0.5, validation: 0.2, test: 0.3}
"""
FILE = "recipes/kept.yaml"


def write(path, numbers, page=lambda number: f"p{number}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ({"number": n, "title": f"T{n}", "body": f"Note {n}.", "page": page(n)} for n in numbers)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def kept(project, monkeypatch):
    """A project whose notes lie on pages, in shards of 15 rows."""
    monkeypatch.setattr(limits, "SHARD_ROWS", 15)
    for folder in ("two", "three"):
        (project / f"data/{folder}/notes.jsonl").unlink()
    write(project / "data/one/notes.jsonl", range(40))
    (project / FILE).write_text(RECIPE)
    return project


def edited(project, **options):
    said = "".join(f", {key}: {value}" for key, value in options.items())
    (project / FILE).write_text(RECIPE.replace("test: 0.3}", f"test: 0.3{said}}}"))


def splits(build):
    return dict(build.rows("final").select("id", "split").collect().rows())


def test_with_the_own_last_build_nothing_moves_and_bridges_are_dropped(kept, run_build, ran, snapshot):
    before = splits(run_build(kept, recipe=FILE).build)
    edited(kept, previous="build/kept")
    side = {split: int(name.split("-")[1].split("/")[0]) for name, split in before.items()}
    # A newcomer on its own, one on the page of a record in test, and one whose page two splits share from now on.
    write(kept / "data/two/notes.jsonl", [100, 101], lambda n: "own" if n == 100 else f"p{side['test']}")
    result = run_build(kept, recipe=FILE)
    after = splits(result.build)
    assert {name: after[name] for name in before} == before
    assert {split for name, split in after.items() if "-101/" in name} == {"test"}
    assert run_build(kept, recipe=FILE).steps["final"].ran > 0  # keyed by what it gave itself, once
    settled = snapshot(kept / "build/kept")
    assert ran(run_build(kept, recipe=FILE)) == {}
    assert snapshot(kept / "build/kept") == settled
    # Both pages become one: the old records stay, what is new on it goes.
    shared = {side["train"], side["test"], 102}
    write(kept / "data/one/notes.jsonl", range(40), lambda n: "shared" if n in shared else f"p{n}")
    write(kept / "data/two/notes.jsonl", [100, 102], lambda n: "own" if n == 100 else "shared")
    build = run_build(kept, recipe=FILE).build
    now = splits(build)
    assert {name: now[name] for name in before} == before
    drops = build.drops("final").collect()
    assert set(drops["rule"]) == {"bridges_splits"}
    assert {name.split("/")[0] for name in drops["id"]} == {"notes-102"}
    rows = build.rows("final").collect()
    assert rows.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


def test_a_new_file_reapplies_only_its_own_shards(kept, run_build):
    before = {call.key for run in run_build(kept, recipe=FILE).build.step("final").runs for call in run.calls}
    write(kept / "data/two/notes.jsonl", range(100, 110))
    runs = run_build(kept, recipe=FILE).build.step("final").runs
    again = [call.where for run in runs for call in run.calls if call.verb == "apply" and call.key not in before]
    # The last shard of each template is filled up, and another one follows; the two before it stay.
    assert again == [f"shard {number} of 8" for number in (3, 4, 7, 8)]


def test_an_earlier_build_that_is_not_there_is_named_with_the_way_out(kept, run_build):
    edited(kept, previous="build/kept")
    with pytest.raises(
        InputError, match=r"step 'final': previous: build/kept: no such file or folder\. Build once without"
    ):
        run_build(kept, recipe=FILE, build_dir=kept / "elsewhere")
    edited(kept)
    run_build(kept, recipe=FILE)
    edited(kept, previous="build/kept", step="pairs")
    with pytest.raises(InputError, match=r"build/kept: no split step 'pairs' \(split steps: final\)"):
        run_build(kept, recipe=FILE)


def test_a_plan_tells_the_rows_of_each_split_that_the_build_gives(kept, run_build):
    build = run_build(kept, recipe=FILE).build
    edited(kept, previous="build/kept", hold_out="{template: [notes/write]}")
    recipe = load_recipe(kept / FILE)
    said = outlook(recipe, *planned(recipe, kept / "build"))
    assert said["pages"] == [
        "40 groups become 40; the largest, '" + said["pages"][0].split("'")[1] + "', holds 1 of 40 rows (2.5%)"
    ]
    rows = run_build(kept, recipe=FILE).build.rows("final").collect()
    for name in ("train", "validation", "test"):
        assert f"{name} {rows.filter(split=name).height} (" in said["final"][0]
    assert "held_out" in said["final"][0]
    assert splits(build) != {}


def test_faults_of_a_split_are_named_in_the_recipe(kept):
    (kept / FILE).write_text(RECIPE.replace("test: 0.3}", "test: 300, hold_out: {tasks: [qa]}, stratify: [topic]}"))
    with pytest.raises(RecipeFault) as error:
        load_recipe(kept / FILE)
    assert "unknown key 'tasks'; did you mean 'task'?" in str(error.value)
    (kept / FILE).write_text(RECIPE.replace("test: 0.3}", "test: 300, stratify: [topic]}"))
    with pytest.raises(RecipeFault) as error:
        load_recipe(kept / FILE)
    assert "do not go together" in str(error.value)
    assert "did you mean 'fields.topic' or 'meta.topic'?" in str(error.value)
