"""`instructkit templates import promptsource`."""

from __future__ import annotations

from pathlib import Path

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import print_json


@click.command("promptsource")
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="FILE|DIR")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the results, as DATASET/SUBSET/NAME.jinja; the templates/ of a project, say.",
)
@click.option("--task", help="Task of all of them. Default: told from choices and metrics, as promptsource names none.")
@click.option("--overwrite", is_flag=True, help="Replace files that say something else.")
@json_option
def promptsource(path: Path, out: Path, task: str | None, overwrite: bool, as_json: bool) -> None:
    """Convert a YAML file of promptsource's, or all below a folder.

    Each result is rendered beside its original on rows made up for it; one that says something else is not written but
    listed. Exit 0 also then; 2 when a file is none of promptsource's.
    """
    from instructkit.templates.promptsource.collection import convert_path, counts, write_conversions

    conversions = convert_path(path, task)
    written = write_conversions(conversions, out, overwrite=overwrite)
    if as_json:
        shown = ("name", "reason", "detail", "warnings", "tests", "compared")
        print_json(
            {
                "counts": counts(conversions),
                "templates": [
                    {
                        "file": done.original.file,
                        "line": done.original.line,
                        "original": done.original.name,
                        "converted": done.text is not None,
                        **{key: getattr(done, key) for key in shown},
                    }
                    for done in conversions
                ],
            }
        )
        return
    for done in conversions:
        place = f"{done.original.file}:{done.original.line}: '{done.original.name}'"
        if done.text is None:
            click.echo(f"{place}: not converted: {done.reason}{f': {done.detail}' if done.detail else ''}")
        for warning in done.warnings:
            click.echo(f"{place}: {warning}")
    for row, number in counts(conversions).items():
        click.echo(f"{number:6,}  {row}")
    click.echo(f"{written:,} of {len(conversions):,} templates written to {out}")
    click.echo("The originals cut each printed value at 2,048 characters, and leave a hole where a column is empty;")
    click.echo("here nothing is cut, and a row that lacks a required input is dropped, and counted.")
