"""`instructkit export`."""

from __future__ import annotations

from pathlib import Path

import click

from instructkit.cli.options import build_option, open_build

FORMATS = ("openai", "alpaca", "sharegpt", "trl", "huggingface", "parquet")


@click.command()
@click.argument("step", required=False)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default="openai",
    show_default=True,
    help="Format of the files.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the export's stage; see `instructkit stages export.FORMAT`.",
)
@build_option
def export(step: str | None, file_format: str, out: Path, settings: tuple[str, ...], build_path: Path | None) -> None:
    """Write the examples of STEP (default: the last step with examples) in a format that others read."""
    from instructkit.build.export import export_step
    from instructkit.recipe.fields import parse_settings
    from instructkit.stages.table import stage_class

    build = open_build(build_path)
    if step is None:
        step = build.last_examples()
    stage = parse_settings(stage_class(f"export.{file_format}"), settings)
    result = export_step(build, step, stage, out)
    for file in result.files:
        click.echo(f"{out / file.name}  {file.rows:,} rows, {file.size_bytes / 1e6:.1f} MB")
    if not result.files:
        click.echo(f"step '{step}' has no rows for this format: no files written")
    for rule, count in result.dropped.items():
        click.echo(f"left out: {count:,} rows, {rule}")
    if result.dropped:
        click.echo(f"`instructkit stages export.{file_format}` says what the format holds.")
