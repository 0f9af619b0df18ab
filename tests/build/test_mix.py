"""A mix as a build: the plan's counts are the build's, and what is cached stays so."""

import re

import polars as pl
import pytest

from instructkit.build.build import outlook, planned
from instructkit.recipe.recipe import load_recipe
from instructkit.report.show import row_lines
from instructkit.report.why import trace_lines, why
from instructkit.schema import Example
from instructkit.stages.ingest import limits
from instructkit.stages.mix.tokens import token_counts
from instructkit.train.data.tokenizer import train_tokenizer

ABOVE = """\
recipe: mixed
seed: 7
steps:
  one:    {stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}
  two:    {stage: ingest.jsonl, path: data/two/*.jsonl, text: body, key: number}
  texts:  {stage: render, from: [one], templates: [pretraining/text]}
  pairs:  {stage: render, from: [one, two], templates: [notes/*]}
  final:  {stage: split, from: [texts, pairs], train: 0.8, validation: 0.1, test: 0.1}
"""
MIX = "  mixed:  {stage: mix, by: task, weights: {%s}, caps: {source: 60}, rows: 200, epochs: 4}\n"


@pytest.fixture
def project_built(project, monkeypatch, run_build):
    """The project, built up to the mix, in shards of 25 rows."""
    monkeypatch.setattr(limits, "SHARD_ROWS", 25)
    recipe = project / "recipes/mixed.yaml"
    recipe.write_text(ABOVE)
    rows = run_build(project, recipe="recipes/mixed.yaml").build.rows("final").collect()
    tasks = rows["task"].unique().sort().to_list()
    assert len(tasks) > 1
    recipe.write_text(ABOVE + MIX % ", ".join(f"{task}: {n + 1}" for n, task in enumerate(tasks)))
    return project


def said(project):
    recipe = load_recipe(project / "recipes/mixed.yaml")
    return outlook(recipe, *planned(recipe, project / "build"))["mixed"]


def test_the_plan_counts_what_the_build_then_makes(project_built, run_build, snapshot):
    before = said(project_built)
    result = run_build(project_built, workers=2, recipe="recipes/mixed.yaml")
    kept = result.build.rows("mixed").collect()
    trained = kept.filter(split="train")
    assert trained["repeats"].sum() == 200
    counts = trained.group_by("task", "source").agg(pl.len(), pl.col("repeats").sum().cast(int))
    for task, source, rows, times in counts.iter_rows():
        (line,) = [line for line in before if re.match(rf"{task} +{source} ", line)]
        assert re.split(r"\s{2,}", line)[5::2] == [str(rows), str(times)]
    assert re.split(r"\s{2,}", before[-2])[-1] == "200"
    others = kept.height - trained.height
    assert before[-1] == f"{others:,} rows of other splits than train pass as they are"
    assert said(project_built) == before
    repeated = trained.filter(pl.col("repeats") > 1).row(0, named=True)
    assert f"  repeats   {repeated['repeats']:g}" in trace_lines(why(result.build, repeated["id"]))
    shown = next(row_lines(Example, kept.filter(id=repeated["id"])))
    assert shown.endswith(f"train  repeats {repeated['repeats']:g}")
    gone = result.build.drops("mixed").collect().row(0, named=True)
    assert any("mix_" in line for line in trace_lines(why(result.build, gone["id"])))
    parallel = snapshot(project_built / "build")
    run_build(project_built, recipe="recipes/mixed.yaml")
    assert snapshot(project_built / "build") == parallel


def test_a_budget_in_tokens_is_planned_from_any_folder_and_met(project_built, run_build):
    train_tokenizer(["Title: a note about the sea. Write it."] * 9, 320, 64).save_pretrained(project_built / "model")
    recipe = project_built / "recipes/mixed.yaml"
    recipe.write_text(ABOVE + "  mixed:  {stage: mix, by: task, tokens: 3000, tokenizer: model}\n")
    before = said(project_built)
    kept = run_build(project_built, recipe="recipes/mixed.yaml").build.rows("mixed").collect().filter(split="train")
    tokens = token_counts(kept, str(project_built / "model"))
    assert re.split(r"\s{2,}", before[-2])[-1] == f"{tokens.sum():,}"
    assert 3000 - kept["task"].n_unique() * tokens.max() < tokens.sum() <= 3000


def test_before_anything_is_built_the_plan_says_what_the_recipe_fixes(project):
    (project / "recipes/mixed.yaml").write_text(ABOVE + MIX % "pretraining: 1, title: 3")
    assert said(project) == [
        "200 rows, no task's rows more than 4 times",
        "task 'pretraining': weight 1 of 4, 50 rows",
        "task 'title': weight 3 of 4, 150 rows",
        "exact counts by source and task are known once the rows above are built",
    ]


def test_a_mix_that_cannot_be_met_is_said_by_the_plan(project_built):
    recipe = project_built / "recipes/mixed.yaml"
    recipe.write_text(ABOVE + MIX % "pretrainig: 1")
    assert said(project_built) == [
        "the build would stop here: mix: weights: no row has the task 'pretrainig'; did you mean 'pretraining'? "
        "(there are: 'pretraining', 'title', 'writing')"
    ]
