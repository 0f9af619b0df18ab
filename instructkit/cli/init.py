"""`instructkit init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(folder: Path) -> None:
    """Start a project in FOLDER (default: here): a recipe, a template, a little data, and schemas for your editor.

    Nothing that is there already is overwritten.
    """
    from instructkit.recipe.starter import write_starter

    written, kept = write_starter(folder)
    for path in written:
        click.echo(f"wrote {path}")
    for path in kept:
        click.echo(f"kept  {path} (was there)")
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"\nNext: {where}instructkit build recipes/first.yaml && instructkit show")
