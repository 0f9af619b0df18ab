"""`instructkit init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--recipe",
    metavar="NAME",
    help="Start from a recipe that comes along (`quickstart`, `library`) instead of a first one with data of its own.",
)
def init(folder: Path, recipe: str | None) -> None:
    """Start a project in FOLDER (default: here): a recipe, a template, a little data, and schemas for your editor.

    Nothing that is there already is overwritten.
    """
    from instructkit.recipe.starter import write_starter

    written, kept, start = write_starter(folder, recipe)
    for path in written:
        click.echo(f"wrote {path}")
    for path in kept:
        click.echo(f"kept  {path} (was there)")
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"\nNext: {where}instructkit build {start} && instructkit show")
