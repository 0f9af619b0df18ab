"""`instructkit ledger`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from instructkit.cli.options import build_option, json_option, open_build
from instructkit.schema import LedgerClass

if TYPE_CHECKING:
    import polars as pl

    from instructkit.report.ledger import By


@click.command()
@click.argument("training", required=False)
@build_option
@click.option(
    "--class",
    "classes",
    multiple=True,
    type=click.Choice(get_args(LedgerClass)),
    help="List examples of this class; repeatable.",
)
@click.option("--template", help="Only examples of this template.")
@click.option("--document", help="Only examples made from the document with this id.")
@click.option(
    "--by",
    type=click.Choice(["template", "source", "document"]),
    default="template",
    show_default=True,
    help="What the tables count by.",
)
@click.option("--id", "example_id", help="One example: its text, and each of its losses.")
@click.option("--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="Longest list.")
@json_option
def ledger(
    training: str | None,
    build_path: Path | None,
    classes: tuple[str, ...],
    template: str | None,
    document: str | None,
    by: By,
    example_id: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """What TRAINING made of its examples: learned, never learned, forgotten, memorised, suspicious.

    Without further options, tables: how many of which class each template has, and how far its losses fell. With
    --class, --template or --document, the examples, those that stand out most first. TRAINING needs `ledger: true` in
    the recipe; it may be left out where one training of the build has a ledger. --json lists all that it is asked for,
    as JSON lines.
    """
    from instructkit.errors import UsageFault
    from instructkit.report.ledger import (
        NOTE,
        chosen,
        class_table,
        entry_lines,
        find_ledger,
        helped_table,
        read_ledger,
    )
    from instructkit.report.tables import print_table

    build = open_build(build_path)
    path = find_ledger(build, training)
    name = path.parent.name
    rows = read_ledger(path)
    if example_id is not None:
        rows = rows.filter(id=example_id)
        if rows.is_empty():
            raise UsageFault(
                f"training '{name}' has no example '{example_id}'; `instructkit why` tells what became of it"
            )
        _show_one(build, rows, as_json)
        return
    listing = bool(classes or template or document)
    found = chosen(rows, classes, template, document)
    if as_json:
        click.echo(found.write_ndjson(), nl=False)
        return
    if not listing:
        print_table(class_table(rows, by, limit))
        if (helped := helped_table(rows, path.parent / "evaluation.json", by)) is not None:
            print_table(helped)
            click.echo(NOTE)
        click.echo(f"instructkit ledger {name} --class suspicious    # the examples themselves")
        return
    click.echo("\n".join(entry_lines(found.head(limit))) or f"training '{name}': no such examples")
    if found.height > limit:
        click.echo(f"and {found.height - limit:,} more; --limit shows more, --json all")
    elif found.height:
        click.echo("--id ID shows one whole")


def _show_one(build: Any, row: pl.DataFrame, as_json: bool) -> None:
    """An example as it is in the build now, and each of its losses."""
    from instructkit.report.ledger import entry_lines, visit_lines
    from instructkit.report.lineage import steps_with
    from instructkit.report.show import pick, row_lines
    from instructkit.schema import Example, LedgerEntry, records

    (entry,) = records(LedgerEntry, row)
    steps = steps_with(build, entry.id, *build.example_steps())
    if as_json:
        said = json.loads(row.write_ndjson())
        if steps:
            said["messages"] = json.loads(pick(build, steps[-1], 1, record_id=entry.id).write_ndjson())["messages"]
        click.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return
    click.echo("\n".join([*entry_lines(row), *visit_lines(entry)]))
    if not steps:
        click.echo("its text is not in this build any more")
        return
    example = pick(build, steps[-1], 1, record_id=entry.id)
    if example["content_hash"][0] != entry.content_hash:
        click.echo("its text has changed since it was trained on; as it is now:")
    click.echo("\n".join(row_lines(Example, example, True)))
