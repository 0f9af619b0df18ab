"""Whether the files and folders that a recipe names are there; reads none of them."""

from __future__ import annotations

from glob import escape, has_magic, iglob
from pathlib import Path

from instructkit.errors import Fault
from instructkit.recipe.fields import field_hints, names_input
from instructkit.recipe.recipe import Recipe


def missing_inputs(recipe: Recipe) -> list[Fault]:
    """A fault for each path or pattern of the recipe's steps that names nothing."""
    faults = []
    for step in recipe.steps.values():
        for name, hint in field_hints(type(step.stage)).items():
            value = getattr(step.stage, name)
            if not names_input(hint) or value is None:
                continue
            for item in value if isinstance(value, list | tuple) else [value]:
                # Where a path stands beside what is to be done with its file, the field holds objects.
                path = item if isinstance(item, str) else item.path
                if not _is_there(recipe.root, path):
                    said = f"step '{step.name}': {name}: nothing is called '{path}' below {recipe.root}"
                    faults.append(Fault(str(recipe.file), step.line, 0, said))
    return faults


def _is_there(root: Path, path: str) -> bool:
    place = Path(path).expanduser()
    if (root / place).exists() or not has_magic(path):
        return (root / place).exists()
    pattern = str(place) if place.is_absolute() else f"{escape(str(root))}/{place}"
    return next(iglob(pattern, recursive=True), None) is not None
