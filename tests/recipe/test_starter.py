import json
from pathlib import Path

import pytest
import yaml

from instructkit.errors import UsageFault
from instructkit.recipe.inputs import missing_inputs
from instructkit.recipe.recipe import load_recipe
from instructkit.recipe.schema import recipe_schema
from instructkit.recipe.starter import shipped_recipes, write_starter
from instructkit.templates.frontmatter import front_matter_schema


@pytest.mark.parametrize("name", [None, *shipped_recipes()])
def test_a_new_project_has_a_recipe_without_faults(tmp_path, name):
    written, kept, recipe = write_starter(tmp_path, name)
    assert not kept
    assert tmp_path / recipe in written
    assert load_recipe(tmp_path / recipe).name == (name or "first")


@pytest.mark.parametrize("name", [None, "quickstart"])
def test_a_recipe_names_the_schema_that_is_written_beside_it(tmp_path, name):
    _, _, recipe = write_starter(tmp_path, name)
    head = (tmp_path / recipe).read_text(encoding="utf-8").splitlines()[0]
    schema = (tmp_path / recipe).parent / head.partition("$schema=")[2]
    assert json.loads(schema.read_text(encoding="utf-8")) == json.loads(json.dumps(recipe_schema()))
    template_schema = (schema.parent / "template.schema.json").read_text(encoding="utf-8")
    assert json.loads(template_schema) == front_matter_schema()


def test_a_shipped_recipe_is_copied_whole(tmp_path):
    _, _, recipe = write_starter(tmp_path, "quickstart")
    shipped = shipped_recipes()["quickstart"].read_text(encoding="utf-8")
    assert (tmp_path / recipe).read_text(encoding="utf-8").endswith(shipped)
    assert yaml.safe_load(shipped)["recipe"] == "quickstart"


def test_the_data_of_a_shipped_recipe_comes_with_it(tmp_path):
    _, _, recipe = write_starter(tmp_path, "library")
    shipped = shipped_recipes()["library"]
    expected = {
        path.relative_to(shipped.parent): path.read_bytes() for path in (shipped.parent / "library").rglob("*.*")
    }
    assert len(expected) > 20
    copied = {
        path.relative_to(tmp_path / "recipes"): path.read_bytes()
        for path in (tmp_path / "recipes/library").rglob("*.*")
    }
    assert copied == expected
    assert not missing_inputs(load_recipe(tmp_path / recipe))


def test_nothing_that_is_there_is_overwritten(tmp_path):
    write_starter(tmp_path, "quickstart")
    mine = Path(tmp_path / "recipes/quickstart.yaml")
    mine.write_text("mine")
    written, kept, _ = write_starter(tmp_path, "quickstart")
    assert not written
    assert mine in kept
    assert mine.read_text() == "mine"


def test_an_unknown_recipe_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UsageFault, match=r"did you mean 'quickstart'\?.*recipes: .*quickstart"):
        write_starter(tmp_path, "quikstart")
    assert not list(tmp_path.iterdir())
