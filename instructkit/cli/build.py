"""`instructkit build`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import build_dir_option, build_folder, json_option, recipe_argument, shown, workers_option


@click.command()
@recipe_argument
@build_dir_option
@workers_option
@click.option(
    "--locked",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A recipe.lock that inputs, versions and results must meet; what differs is said and the build fails.",
)
@json_option
def build(recipe: Path, build_dir: Path | None, workers: int | None, locked: Path | None, as_json: bool) -> None:
    """Build RECIPE's dataset. Interrupted, run it again: it goes on where it stopped, to the same bytes."""
    from instructkit.build.build import build as run_build
    from instructkit.cli.progress import step_progress
    from instructkit.executors.local import LocalExecutor
    from instructkit.recipe.recipe import load_recipe
    from instructkit.report.tables import build_table, drop_table, print_table, warnings_of

    loaded = load_recipe(recipe)
    with LocalExecutor(workers) as executor, step_progress() as observe:
        result = run_build(loaded, build_folder(loaded, build_dir), executor, observe=observe, locked=locked)
    if as_json:
        steps = [
            {
                "step": s.step,
                "stage": s.stage,
                "rows_in": s.rows_in,
                "rows_kept": s.rows_kept,
                "rows_dropped": s.rows_dropped,
                "calls_ran": s.ran,
                "calls_found": s.cached,
            }
            for s in result.steps.values()
        ]
        click.echo(
            json.dumps(
                {"folder": str(result.build.folder), "seconds": round(result.seconds, 3), "steps": steps}, indent=1
            )
        )
        return
    print_table(build_table(result))
    if drops := drop_table(result.build):
        print_table(drops)
    for warning in warnings_of(result.build):
        click.echo(click.style("warning: ", fg="yellow", bold=True) + warning, err=True)
    done = f"{result.ran} calls ran" if result.ran else "nothing had changed"
    click.echo(f"Built {shown(result.build.folder)} in {result.seconds:.1f} s; {done}.")
    for name, step in result.build.manifest.steps.items():
        for file in step.files:
            click.echo(
                f"  {shown(result.build.folder / name / file.name)}  {file.rows:,} rows, {file.size_bytes / 1e6:.1f} MB"
            )
