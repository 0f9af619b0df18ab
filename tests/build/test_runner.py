import json
import shutil

import polars as pl
import pytest

from instructkit.build.build import alone, gc, last_build, plan
from instructkit.build.manifest import Build
from instructkit.errors import InputError, StageError, StoreError, UsageFault
from instructkit.recipe.recipe import load_recipe
from instructkit.schema import Drop, Example, columns


def add_step(project, line):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text() + line + "\n")


def test_rows_go_through_every_step_or_are_dropped_with_a_reason(built):
    steps = built.manifest.steps
    assert [steps[name].rows_kept for name in ("one", "two", "three")] == [40, 40, 42]
    assert steps["three"].rows_dropped == 1
    assert steps["clean"].rows_in == 122
    for before, after in (("clean", "long"), ("long", "unique"), ("pairs", "final")):
        assert steps[after].rows_in == steps[before].rows_kept
        assert steps[after].rows_in == steps[after].rows_kept + steps[after].rows_dropped
    assert steps["pairs"].rows_kept == 2 * steps["unique"].rows_kept
    reasons = {(d["step"], d["rule"]) for d in built.drops().collect().iter_rows(named=True)}
    assert {step for step, _ in reasons} == {"three", "long", "unique"}
    assert ("long", "min_words") in reasons


def test_rows_on_disk_have_the_columns_of_their_noun(built):
    assert built.rows("final").collect_schema() == columns(Example)
    drops = pl.read_parquet(built.folder / "drops.parquet")
    assert drops.schema == columns(Drop)
    assert drops["step"].null_count() == 0


def test_two_builds_in_different_folders_with_different_workers_are_equal_to_the_byte(
    project, tmp_path, run_build, snapshot
):
    elsewhere = shutil.copytree(project, tmp_path / "else/where")
    run_build(project, workers=1)
    run_build(elsewhere, workers=3)
    first, second = snapshot(project / "build"), snapshot(elsewhere / "build")
    assert first == second
    assert len(first) > 20


def test_a_second_build_runs_nothing_and_changes_nothing(project, run_build, snapshot, ran):
    assert sum(ran(run_build(project)).values()) > 20
    before = snapshot(project / "build")
    assert ran(run_build(project)) == {}
    assert snapshot(project / "build") == before


def test_an_edited_template_renders_its_own_shards_and_no_others(project, run_build, ran):
    first = run_build(project)
    shards = len(first.build.step("unique").kept)
    template = project / "templates/notes/title.jinja"
    template.write_text(template.read_text().replace("Give this note a title", "Name this note"))
    second = run_build(project)
    # A corpus stage sketches, cuts and applies each shard, and decides once.
    assert ran(second) == {"pairs": shards, "final": 3 * shards + 1, "chat": shards}
    titles = second.build.rows("pairs").filter(pl.col("template") == "notes/title").collect()
    assert all(m[0]["content"].startswith("Name this note") for m in titles["messages"].to_list())


def test_a_new_file_runs_only_what_depends_on_it(project, run_build, ran, more_notes):
    run_build(project)
    more_notes(project / "data/two/more.jsonl", range(400, 420))
    result = run_build(project)
    assert {name: calls for name, calls in ran(result).items() if name in ("one", "two", "three", "clean", "long")} == {
        "two": 1,
        "clean": 1,
        "long": 1,
    }
    assert result.steps["unique"].cached > 0
    assert result.build.step("two").rows_kept == 60


def test_a_result_that_comes_out_the_same_stops_the_ripple(project, run_build, ran):
    run_build(project)
    recipe = project / "recipes/notes.yaml"
    # A looser rule that happens to drop the same rows: the filter runs, nothing after it does.
    recipe.write_text(recipe.read_text().replace("min_words: 4", "min_words: 3"))
    assert set(ran(run_build(project))) == {"long"}


def test_one_changed_file_reapplies_a_corpus_stage_only_where_the_verdict_changed(project, run_build, ran):
    run_build(project)
    lines = (project / "data/one/notes.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"body": "An entirely new note about lighthouses and their keepers in winter."}
    (project / "data/one/notes.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    result = run_build(project)
    assert ran(result)["unique"] < 4 * len(result.build.step("long").kept)
    # Two shards: sketched, decided about together, cut and applied; all other shards are found.
    assert ran(result)["final"] == 7


def test_a_renamed_folder_changes_nothing(project, tmp_path, run_build, ran):
    run_build(project)
    moved = tmp_path / "moved"
    project.rename(moved)
    assert ran(run_build(moved)) == {}


def test_ids_that_stand_twice_are_refused_with_both_places(project, run_build):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("data/two/*.jsonl, ", "data/one/*.jsonl, source: one, "))
    with pytest.raises(StageError, match=r"id 'one-\d+' stands twice, from notes\.jsonl:(\d+) and notes\.jsonl:\1;"):
        run_build(project)


def test_a_source_that_is_not_there_is_named(project, run_build):
    shutil.rmtree(project / "data")
    with pytest.raises(InputError, match="data"):
        run_build(project)


def test_plan_says_what_would_run_and_runs_nothing(project, run_build, snapshot):
    recipe = load_recipe(project / "recipes/notes.yaml")
    before = plan(recipe, project / "build")
    assert before["one"].pending
    assert before["clean"].unknown
    assert not list((project / "build").rglob("*.parquet"))
    run_build(project)
    files = snapshot(project / "build")
    after = plan(recipe, project / "build")
    assert not any(step.unknown for step in after.values())
    assert after["final"].rows_kept == after["pairs"].rows_kept
    assert snapshot(project / "build") == files


def test_gc_keeps_the_last_build_whole(project, run_build, ran):
    run_build(project)
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("threshold: 0.7", "threshold: 0.8"))
    run_build(project)
    files, _ = gc(project / "build")
    assert files > 0
    assert ran(run_build(project)) == {}
    assert gc(project / "build") == (0, 0)


def test_an_open_build_says_which_steps_there_are(built):
    with pytest.raises(UsageFault, match="no step 'finl'; did you mean 'final'"):
        built.step("finl")
    with pytest.raises(UsageFault, match="no build here"):
        Build.open(built.folder / "nowhere")
    assert last_build(built.folder.parent) == built.folder


def test_rows_keep_their_group_and_no_group_lies_in_two_splits(built):
    rows = built.rows("final").collect()
    assert rows.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(rows["split"].unique()) == {"train", "validation", "test"}


def test_a_damaged_shard_is_made_again(project, run_build, ran, snapshot):
    build = run_build(project).build
    before = snapshot(project / "build")
    for ref in build.step("long").kept:
        path = build.store.shard_path(ref)
        path.write_bytes(bytes(path.stat().st_size))  # zeros: what a power cut leaves
    with pytest.raises(StoreError, match="run the build again"):
        build.rows("long")
    assert ran(run_build(project))["long"] > 0
    assert snapshot(project / "build") == before


def test_gc_spares_what_an_unfinished_build_has_made(project, run_build, ran):
    add_step(project, "  again: {stage: split, from: final}")  # fails: the rows have a split already
    with pytest.raises(StageError):
        run_build(project)
    assert gc(project / "build") == (0, 0)
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("  again: {stage: split, from: final}\n", ""))
    assert ran(run_build(project)) == {}


def test_two_builds_of_one_recipe_keep_out_of_each_others_way(project, run_build):
    run_build(project)
    with alone(project / "build/notes"), pytest.raises(UsageFault, match="another build of this recipe is running"):
        run_build(project)
    run_build(project)


def test_a_row_that_reaches_an_export_twice_is_refused(project, run_build):
    add_step(project, "  both: {stage: export.openai, from: [pairs, final]}")
    with pytest.raises(StageError, match="stands twice"):
        run_build(project)


def test_two_recipes_of_one_name_do_not_take_each_others_build(project, run_build):
    run_build(project)
    shutil.copy(project / "recipes/notes.yaml", project / "recipes/other.yaml")
    with pytest.raises(UsageFault, match=r"of recipes/notes\.yaml, and recipes/other\.yaml has the same name"):
        run_build(project, recipe="recipes/other.yaml")
