"""`instructkit templates preview`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import column_option, print_json, project_option, read_from, text_option


@click.command("preview")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--rows",
    "where",
    metavar="FILE|BUILD:STEP",
    help="Rows to render: a data file (.jsonl, .json, .csv, .tsv, .parquet), BUILD:STEP with a recipe or a build's "
    "folder as BUILD, or a step's name. Default: the rows that the templates' own tests give.",
)
@click.option(
    "--build",
    "-b",
    "build",
    type=click.Path(path_type=Path),
    help="The recipe or build's folder whose step --rows names. Default: the last build in ./build.",
)
@text_option
@column_option
@click.option(
    "--records", metavar="PATH", help="Of a JSON file: dotted path to the array of records, such as data.items."
)
@click.option(
    "--source",
    metavar="NAME",
    help="Of a file: what ids, and so draws, begin with; a build takes its step's name. Default: the file's name.",
)
@click.option("--limit", "-n", type=click.IntRange(min=1), default=10, show_default=True, help="Rows to show.")
@click.option("--ids", metavar="ID", multiple=True, help="Only the row with this id; may be given several times.")
@click.option("--seed", type=int, help="Seed of what is drawn. Default: that of the build's recipe; for a file 0.")
@click.option(
    "--phrasings",
    type=click.Choice(["drawn", "all"]),
    default="drawn",
    show_default=True,
    help="all: every wording of a template in turn, on the same rows.",
)
@click.option(
    "--tokenizer",
    metavar="MODEL",
    help="Show tokens of this model (folder or hub name), trained ones coloured, with counts.",
)
@click.option(
    "--whitespace",
    type=click.Choice(["ends", "all", "off"]),
    default="ends",
    show_default=True,
    help="Signs for spaces at line ends (·), tabs (⇥), blank lines (↵), odd spaces; all: for every space and line end.",
)
@click.option("--full", is_flag=True, help="Long messages whole.")
@click.option("--watch", "-w", is_flag=True, help="Render again whenever a template, or what it imports, is saved.")
@project_option
@json_option
def preview(
    names: tuple[str, ...],
    where: str | None,
    build: Path | None,
    text: str | None,
    columns: tuple[str, ...],
    records: str | None,
    source: str | None,
    limit: int,
    ids: tuple[str, ...],
    seed: int | None,
    phrasings: str,
    tokenizer: str | None,
    whitespace: Any,
    full: bool,
    watch: bool,
    project: Path,
    as_json: bool,
) -> None:
    """Show what templates make of real rows: conversations, what is trained on, which rows drop and why.

    NAME is a template's name, a glob (`python/*`) or a .jinja file. Up to 1,000 rows, spread over the data, are
    rendered to count what drops; --limit of them are shown. Exit 2 when a template is at fault.

    \b
      instructkit templates preview qa/open --rows data/train.jsonl
      instructkit templates preview qa/open --rows recipes/first.yaml:clean --watch
    """  # noqa: D301 (\b keeps click from filling the lines)
    from instructkit.errors import UsageFault
    from instructkit.report.preview.choice import choose
    from instructkit.report.preview.drawing import Look
    from instructkit.report.preview.rendering import as_json as results_as_json
    from instructkit.report.preview.rows import rows_of
    from instructkit.report.preview.session import Session

    if watch and as_json:
        raise UsageFault("--watch draws for the eye; leave --json out, or --watch")

    def look() -> Look:
        terminal = sys.stdout.isatty()
        width = min(shutil.get_terminal_size().columns, 120) if terminal else None
        return Look(width=width, colour=terminal, whitespace=whitespace, full=full)

    inputs = read_from(columns)
    session = Session(
        choices=choose(names, project),
        find_rows=lambda templates: rows_of(
            where,
            templates,
            text=text,
            records=records,
            build=build,
            ids=ids,
            source=source,
            seed=seed,
            columns=inputs,
        ),
        limit=max(limit, len(ids)),
        every_phrasing=phrasings == "all",
        tokens=_tokens(tokenizer) if tokenizer else None,
    )
    if watch:
        _watch(session, look)
        return
    session.update(range(len(session.choices)))
    if as_json:
        found = results_as_json(session.all_results(), session.rows) if session.rows else {"templates": []}
        print_json({**found, "faults": [str(fault) for fault in session.faults.values()]})
    else:
        for line in session.lines(look(), faults=False):
            click.echo(line)
    for fault in session.faults.values():
        click.echo(click.style("error: ", fg="red", bold=True) + str(fault), err=True)
    if session.faults:
        sys.exit(max(fault.exit_code for fault in session.faults.values()))


def _tokens(name: str) -> Any:
    from instructkit.models.load import load_tokenizer
    from instructkit.report.preview.tokens import Tokens

    return Tokens(load_tokenizer(name))


def _watch(session: Any, look: Any) -> None:
    """Draws until it is interrupted: over the last drawing on a terminal, below it elsewhere."""
    from instructkit.report.preview.screen import screenful
    from instructkit.report.preview.session import watch

    terminal = sys.stdout.isatty()
    try:
        for lines, said in watch(session, look):
            if terminal:
                size = shutil.get_terminal_size()
                click.echo(screenful(lines, said, size.columns, size.lines), nl=False)
            else:
                click.echo("\n".join([*lines, said]))
            sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo()
