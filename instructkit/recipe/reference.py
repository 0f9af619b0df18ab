"""What the keys of a stage mean, read from its source: the docstring under each field is its documentation.

The reference page, `instructkit stages NAME` and the JSON Schema are all made from this.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from instructkit.recipe.fields import field_hints, recipe_key


@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldDoc:
    """A key of a stage."""

    name: str
    type: str
    """In words: "integer ≥ 1", "text", "list of text" …"""
    default: str | None
    """None: the key must be given."""
    doc: str


def field_docs(cls: type[Any]) -> tuple[FieldDoc, ...]:
    """The keys of a stage in declared order."""
    docs = docstrings(cls)
    hints = field_hints(cls)
    return tuple(
        FieldDoc(
            name=recipe_key(field.name),
            type=type_words(hints[field.name]),
            default=_default(field),
            doc=docs.get(field.name, ""),
        )
        for field in dataclasses.fields(cls)
        if field.name in hints
    )


def summary(cls: type[Any]) -> str:
    """The docstring of a stage."""
    return inspect.cleandoc(cls.__doc__ or "")


def type_words(hint: Any) -> str:
    """A type in words for a reader of YAML."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [
            f"{sign} {value:g}"
            for meta in arguments[1:]
            if isinstance(meta, msgspec.Meta)
            for sign, value in ((">", meta.gt), ("≥", meta.ge), ("<", meta.lt), ("≤", meta.le))
            if value is not None
        ]
        extra = {name for meta in arguments[1:] if isinstance(meta, msgspec.Meta) for name in meta.extra or {}}
        if extra & {"input_path", "cache_path"}:
            return "path"
        return " ".join([type_words(arguments[0]), *bounds])
    if origin in (Union, UnionType):
        return " or ".join("nothing" if a is NoneType else type_words(a) for a in arguments)
    if origin is Literal:
        return " | ".join(str(choice) for choice in arguments)
    if origin in (list, tuple):
        return f"list of {type_words(arguments[0])}" if arguments else "list"
    if origin is dict:
        return f"mapping to {type_words(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"mapping ({', '.join(hint.__struct_fields__)})"
    if dataclasses.is_dataclass(hint):
        return f"mapping ({', '.join(map(recipe_key, field_hints(hint)))})"  # type: ignore[arg-type]
    return {str: "text", int: "integer", float: "number", bool: "true | false"}.get(hint, "any value")


def _default(field: dataclasses.Field[Any]) -> str | None:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return None
    if value is None:
        return "nothing"
    if dataclasses.is_dataclass(value):
        return "its defaults"
    if isinstance(value, str):
        if value.strip() and len(value.splitlines()) == 1:
            return value
        return msgspec.json.encode(value).decode()  # a blank, or a line break, shows only so
    return msgspec.json.encode(value).decode()


def docstrings(cls: type[Any]) -> dict[str, str]:
    """Field name → the string literal under it, base classes included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, ValueError):
            continue
        assert isinstance(tree, ast.ClassDef)
        for field, below in zip(tree.body, tree.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = re.sub(r"\s*\n\s*", " ", inspect.cleandoc(text))
    return found
