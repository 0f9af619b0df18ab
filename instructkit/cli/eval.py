"""`instructkit eval`."""

from __future__ import annotations

from pathlib import Path

import click

from instructkit.cli.options import build_option, json_option, model_path, open_build


@click.command("eval")
@click.argument("model")
@click.argument("step", required=False)
@build_option
@click.option("--split", default="test", show_default=True, help="Split to measure on.")
@click.option(
    "--by",
    multiple=True,
    default=("template",),
    show_default=True,
    help="Column to slice by: template, source, task, language or split; may be given several times.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Examples per template, chosen by seeded hash. Default: all.")
@click.option("--generations", type=click.IntRange(min=0), default=0, show_default=True, help="Replies to show.")
@json_option
def eval_(
    model: str,
    step: str | None,
    build_path: Path | None,
    split: str,
    by: tuple[str, ...],
    limit: int | None,
    generations: int,
    as_json: bool,
) -> None:
    """Measure MODEL (a folder, a hub name, or a training of the build) on the examples of STEP (default: the last)."""
    build = open_build(build_path)
    step = step or build.last_examples()

    import msgspec

    from instructkit.evaluate.run import evaluate
    from instructkit.evaluate.table import rows
    from instructkit.report.tables import Table, print_table

    found = evaluate(
        model_path(build.folder, model), build.paths(step), split=split, by=by, limit=limit, generations=generations
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    for column in by:
        print_table(Table(f"Loss by {column} on the {split} split, nats per token", *rows(None, found, column)))
    for left, why in (
        (found.unlabelled, "the chat template cannot show them faithfully"),
        (found.overlong, "longer than the model takes"),
    ):
        if left:
            click.echo(f"not measured: {left:,} examples, {why}")
    for example in found.generations:
        click.echo(f"{example.example_id}\n  expected: {example.expected}\n  answered: {example.reply}\n")
