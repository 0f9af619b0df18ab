"""What the trainings of a recipe will take, for `plan` and `train --preflight`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instructkit.cli.options import shown

if TYPE_CHECKING:
    from instructkit.build.manifest import Build
    from instructkit.recipe.recipe import Recipe
    from instructkit.train.outlook import Outlook


def training_outlooks(
    recipe: Recipe, build: Build, names: Iterable[str], probe: bool = False
) -> dict[str, Outlook | str]:
    """For each training, its outlook; or, in words, what has to be there before it can be told."""
    found: dict[str, Outlook | str] = {}
    for name in names:
        training = recipe.trainings[name]
        folder = Path(shown(build.folder)) / "trainings"
        base = folder / training.from_ / "model" if training.from_ else None
        if training.examples not in build.manifest.steps:
            found[name] = f"known once step '{training.examples}' is built: instructkit build {shown(recipe.file)}"
        elif base is not None and not base.is_dir():
            found[name] = f"known once training '{training.from_}' has run: it starts from its model"
        else:
            found[name] = _outlook(recipe, build, name, base, probe)
    return found


def _outlook(recipe: Recipe, build: Build, name: str, base: Path | None, probe: bool) -> Outlook | str:
    from instructkit.cli.training_progress import training_progress

    try:
        from instructkit.train.outlook import outlook
    except ImportError as error:
        return f"not known without the packages that train ({error.name}): pip install 'instructkit[train]'"

    training = recipe.trainings[name]
    with training_progress() as progress:
        return outlook(
            training,
            build.paths(training.examples),
            Path(shown(build.folder)) / "trainings" / name,
            root=recipe.root,
            base=base,
            probe=probe,
            progress=progress,
        )


def echo_outlooks(recipe: Recipe, outlooks: dict[str, Outlook | str]) -> None:
    """Print them, a block each."""
    for name, found in outlooks.items():
        lines = [found] if isinstance(found, str) else found.lines()
        click.echo("\n  ".join([f"training '{name}' on step '{recipe.trainings[name].examples}':", *lines]) + "\n")


def say_preflight(recipe: Recipe, build: Build, name: str, json_wanted: bool) -> None:
    """Print the outlook of one training. Exits with 1 where the training would be refused."""
    found = training_outlooks(recipe, build, [name])
    if json_wanted:
        click.echo(json.dumps(as_json(found)[name], indent=1))
    else:
        echo_outlooks(recipe, found)
    if getattr(found[name], "refused", None) is not None:
        raise SystemExit(1)


def as_json(outlooks: dict[str, Outlook | str]) -> dict[str, Any]:
    """For a program."""
    return {name: {"waits": found} if isinstance(found, str) else found.as_json() for name, found in outlooks.items()}
