"""The JSON Schema of recipes, generated from the stages: editors complete keys and show their documentation."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from instructkit.recipe.fields import field_hints, recipe_key
from instructkit.recipe.reference import field_docs, summary
from instructkit.stages.table import STAGES, stage_class
from instructkit.train.config.training import Training


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a recipe that uses our stages; stages of third parties pass as any mapping."""
    stages = {name: stage_class(name) for name in STAGES}
    step = {
        "type": "object",
        "required": ["stage"],
        "properties": {"stage": {"type": "string", "description": "What the step does.", "examples": list(stages)}},
        "allOf": [
            {"if": {"properties": {"stage": {"const": name}}}, "then": _stage_schema(name, cls)}
            for name, cls in stages.items()
        ],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "instructkit recipe",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {
            "recipe": {
                "type": "string",
                "description": "Name of the recipe and of its build; the file's name when left out.",
            },
            "description": {"type": "string"},
            "seed": {"type": "integer", "default": 0, "description": "Seed of every step that does not set its own."},
            "steps": {"type": "object", "minProperties": 1, "additionalProperties": step},
            "train": {"type": "object", "additionalProperties": _dataclass_schema(Training)},
        },
    }


def _stage_schema(name: str, cls: type[Any]) -> dict[str, Any]:
    schema = _dataclass_schema(cls)
    schema["properties"] = {"stage": {"const": name, "description": summary(cls)}, **schema["properties"]}
    if cls.reads:
        one = {"type": "string"}
        schema["properties"]["from"] = {
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
            "description": "The step or steps it reads; left out, the step above.",
        }
    return schema


def _dataclass_schema(cls: type[Any]) -> dict[str, Any]:
    hints = field_hints(cls)
    docs = {doc.name: doc for doc in field_docs(cls)}
    properties = {}
    for field in dataclasses.fields(cls):
        if field.name not in hints:
            continue
        key = recipe_key(field.name)
        properties[key] = {**_schema(hints[field.name]), "description": docs[key].doc}
        if field.default is not dataclasses.MISSING and field.default is not None:
            properties[key]["default"] = msgspec.to_builtins(field.default)
    required = [doc.name for doc in docs.values() if doc.default is None]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _schema(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = {
            key: value
            for meta in arguments[1:]
            if isinstance(meta, msgspec.Meta)
            for key, value in (
                ("minimum", meta.ge),
                ("exclusiveMinimum", meta.gt),
                ("maximum", meta.le),
                ("exclusiveMaximum", meta.lt),
                ("minLength" if arguments[0] is str else "minItems", meta.min_length),
            )
            if value is not None
        }
        return {**_schema(arguments[0]), **bounds}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(a) for a in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple) or hint in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0]) if arguments else {}}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_schema(hint)
    # A YAML scalar without quotes may look like a number or a truth value where text is meant: `language: no`.
    plain: dict[Any, dict[str, Any]] = {
        str: {"type": ["string", "number", "boolean"]},
        int: {"type": "integer"},
        float: {"type": ["number", "string"]},
        bool: {"type": "boolean"},
        NoneType: {"type": "null"},
    }
    return plain.get(hint, {})
