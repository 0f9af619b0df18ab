"""The shipped library, built: every template on the data that comes along."""

from collections import Counter

import polars as pl
import pytest

from instructkit.build.build import build
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.store.builds import step_shards
from instructkit.templates.library import find_templates, library_folder

SHIPPED = {template.name: template for template in find_templates(["*"], [library_folder()])}


@pytest.fixture(scope="module")
def recipe(root):
    return load_recipe(root / "recipes/library.yaml")


@pytest.fixture(scope="module")
def built(recipe, tmp_path_factory):
    """The folder of the build of recipes/library.yaml."""
    with LocalExecutor(1) as executor:
        return build(recipe, tmp_path_factory.mktemp("build"), executor).build.folder


@pytest.fixture(scope="module")
def examples(recipe, built):
    """Template and messages of every example that the recipe's render steps make."""
    steps = [name for name, step in recipe.steps.items() if step.stage_name == "render"]
    files = [path for name in steps for path, _ in step_shards(built, name)[1]]
    return pl.concat([pl.read_parquet(file).select("id", "template", "messages", "variant") for file in files])


def test_the_library_is_as_large_as_promised():
    chinese = [name for name, template in SHIPPED.items() if "zh" in template.front.languages]
    assert len(SHIPPED) >= 40
    assert len(chinese) * 3 >= len(SHIPPED)


def test_a_chinese_template_has_the_task_of_its_english_counterpart():
    """One name a task, so that a mix or an evaluation by task takes both languages."""
    pairs = [(name, name.removesuffix("_zh")) for name in SHIPPED if name.endswith("_zh")]
    tasks = {
        name: (SHIPPED[name].front.task, SHIPPED[english].front.task) for name, english in pairs if english in SHIPPED
    }
    assert len(tasks) >= 20
    assert {name: both for name, both in tasks.items() if both[0] != both[1]} == {}


def test_options_are_recorded_exactly_where_they_are_listed(examples):
    """`options=` stands in the variant of the wordings that list the choices, and of no other."""
    wrong = []
    recorded = examples["variant"].drop_nulls().str.contains("options=")
    assert recorded.any()
    for name, template in SHIPPED.items():
        listing = {key for key, wording in template.front.wordings().items() if "| options" in wording}
        for variant in examples.filter(pl.col("template") == name)["variant"].drop_nulls():
            parts = dict(part.split("=") for part in variant.split(","))
            if "phrasing" in parts and ("options" in parts) != (parts["phrasing"] in listing):
                wrong.append((name, variant))
    assert wrong == []


def test_every_template_makes_five_examples_or_more(examples):
    counts = Counter(examples["template"].to_list())
    few = {name: counts[name] for name in SHIPPED if counts[name] < 5}
    assert not few


def test_no_row_of_the_data_fails_in_its_template(built):
    """A template may leave a row out; it may not stumble over it, and nothing else drops any."""
    drops = pl.read_parquet(built / "drops.parquet")
    assert set(drops["rule"].to_list()) == {"missing_input", "not_applicable"}


def test_instructions_of_a_template_vary_in_their_wording(examples):
    """At least three phrasings were drawn for each template that has them, on these few rows."""
    drawn = {name: set() for name, template in SHIPPED.items() if template.front.phrasings}
    for name, variant in examples.select("template", "variant").iter_rows():
        if name in drawn:
            drawn[name].add(dict(part.split("=") for part in variant.split(","))["phrasing"])
    assert not {name: found for name, found in drawn.items() if len(found) < min(3, len(SHIPPED[name].front.phrasings))}


def test_prompts_for_a_model_end_with_the_user(examples):
    for name, messages in examples.select("template", "messages").iter_rows():
        expected = ("user",) if SHIPPED[name].front.answer == "model" else ("assistant", "text")
        assert messages[-1]["role"] in expected
