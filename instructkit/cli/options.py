"""Options and arguments that several commands share, and how they find a build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

recipe_argument: Decorator = click.argument("recipe", type=click.Path(path_type=Path))
build_dir_option: Decorator = click.option(
    "--build-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of builds and their store. Default: `build` in the project.",
)
workers_option: Decorator = click.option(
    "--workers", type=click.IntRange(min=1), help="Worker processes. Default: one a core."
)
build_option: Decorator = click.option(
    "--build",
    "-b",
    "build_path",
    type=click.Path(path_type=Path),
    help="A recipe, or a build's folder. Default: the last build in ./build.",
)
column_option: Decorator = click.option(
    "--column",
    "columns",
    metavar="WHAT=COLUMN",
    multiple=True,
    help="Column that holds the prompt, answer or passage, where neither format nor name says so: "
    "--column prompt=riddle --column answer=solution.",
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def given_columns(columns: tuple[str, ...]) -> dict[str, str]:
    """What `column_option` was given, by what the column holds. Raises UsageFault."""
    from instructkit.cli.templates.options import read_from
    from instructkit.errors import UsageFault

    given = read_from(columns)
    if wrong := sorted(given.keys() - {"prompt", "answer", "passage"}):
        raise UsageFault(f"--column {wrong[0]}=…: expected prompt, answer or passage")
    return given


def build_folder(recipe: Any, build_dir: Path | None) -> Path:
    """The folder of builds: the one named, else the project's own."""
    return build_dir or recipe.root / "build"


def shown(path: Path) -> str:
    """A path as one would type it here: relative to the current folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def model_path(folder: Path, model: str) -> str:
    """A model's folder or hub name; the name of a training of the build means the model it made."""
    trained = folder / "trainings" / model / "model"
    return str(trained) if trained.is_dir() else model


def open_build(path: Path | None) -> Any:
    """The build that a path means: a build's folder, a recipe, or (None) the last one built here.

    Raises UsageFault when there is none.
    """
    from instructkit.build.build import last_build
    from instructkit.build.manifest import Build
    from instructkit.errors import UsageFault

    if path is None:
        folder = last_build(Path("build"))
        if folder is None:
            raise UsageFault("no build in ./build; run `instructkit build RECIPE` first, or name one with --build")
        return Build.open(folder)
    if path.is_file():
        from instructkit.recipe.recipe import load_recipe

        recipe = load_recipe(path)
        return Build.open(recipe.root / "build" / recipe.name)
    return Build.open(path)


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How replies are written: how long, drawn how, how many."""
    options: tuple[Decorator, ...] = (
        click.option(
            "--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Longest reply."
        ),
        click.option(
            "--temperature",
            type=click.FloatRange(min=0, min_open=True),
            help="Sample. Default: the likeliest token each time.",
        ),
        click.option(
            "--top-p",
            type=click.FloatRange(0, 1, min_open=True),
            default=1.0,
            show_default=True,
            help="Sample from the likeliest tokens that make up this share.",
        ),
        click.option(
            "--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Replies to each prompt."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
