"""`instructkit templates new`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from instructkit.cli.options import shown


@click.command("new")
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="TASK/NAME", help="The template's name. Default: the guessed task and the file's name.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="templates",
    show_default=True,
    help="Template folder to write to.",
)
@click.option("--records", metavar="PATH", help="Of a JSON file: dotted path to the array of records. Default: found.")
@click.option("--answer", metavar="COLUMN", help="Column that is the answer. Default: guessed.")
@click.option("--anyway", is_flag=True, help="Also for data that holds conversations already, which need no template.")
def new(file: str, name: str | None, out: Path, records: str | None, answer: str | None, anyway: bool) -> None:
    """Draft a template from a data file: inputs, answer, choices, two wordings, and tests from its rows.

    FILE is JSON Lines, JSON, CSV or Parquet. What was guessed, and why, stands in the draft as comments. Nothing is
    overwritten.
    """
    from instructkit.errors import UsageFault
    from instructkit.report.data_file import nested_records, open_data
    from instructkit.report.draft.new import new_template, write_draft

    if name is not None and (name.startswith("/") or any(not p or p.startswith((".", "_")) for p in name.split("/"))):
        raise UsageFault(f"--name {name}: a name is a path in a template folder without its suffix, such as qa/open")
    if name is not None and not re.fullmatch(r"[\w./-]+", name):
        raise UsageFault(
            f"--name {shlex.quote(name)}: a name holds letters, digits, '_', '-', '.' and '/' only, such as qa/open"
        )
    data = nested_records(open_data(file, records))
    made = new_template(data, name.removesuffix(".jinja") if name else None, conversations=anyway, answer=answer)
    path = write_draft(made, out)
    for note in made.notes:
        click.echo(note)
    click.echo(f"\nwrote {click.style(shown(path), bold=True)}; next:")
    named = made.name if out == Path("templates") else str(path)
    click.echo("  " + shlex.join([*made.preview_words(named, file), "--watch"]))
