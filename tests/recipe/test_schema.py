from pathlib import Path

import jsonschema
import pytest
import yaml

from instructkit.recipe.reference import field_docs, summary
from instructkit.recipe.schema import recipe_schema
from instructkit.stages.table import STAGES, stage_class

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_are_valid_by_the_schema(validator, recipe):
    assert list(validator.iter_errors(yaml.safe_load(recipe.read_text()))) == []


def test_the_schema_refuses_unknown_keys_and_bad_values(validator):
    base = {"steps": {"raw": {"stage": "ingest.jsonl", "path": "x", "text": "t"}}}
    assert validator.is_valid(base)
    assert not validator.is_valid(base | {"sede": 1})
    steps = base["steps"]
    assert not validator.is_valid({"steps": steps | {"f": {"stage": "filter.length", "min_word": 1}}})
    assert not validator.is_valid({"steps": steps | {"f": {"stage": "filter.length", "min_words": 0}}})
    assert validator.is_valid({"steps": steps | {"f": {"stage": "theirs.stage", "anything": 1}}})


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_and_every_key_is_documented(name):
    cls = stage_class(name)
    assert summary(cls)
    assert name.partition(".")[2] == "" or cls.__module__ == f"instructkit.stages.{name}"
    for doc in field_docs(cls):
        assert len(doc.doc) > 10, f"{name}: {doc.name}"


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_declares_the_class_variables_of_the_contract(name):
    cls = stage_class(name)
    assert isinstance(cls.version, int)
    assert isinstance(cls.reads, tuple)
    assert cls.__dataclass_params__.frozen
    assert hasattr(cls, "yields")
