"""`instructkit plan`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import build_dir_option, build_folder, json_option, recipe_argument


@click.command()
@recipe_argument
@build_dir_option
@json_option
def plan(recipe: Path, build_dir: Path | None, as_json: bool) -> None:
    """Say what a build of RECIPE would do: calls that are done, calls that would run."""
    from instructkit.build.build import outlook
    from instructkit.build.build import plan as plan_build
    from instructkit.recipe.recipe import load_recipe
    from instructkit.report.tables import plan_table, print_table

    loaded = load_recipe(recipe)
    steps = plan_build(loaded, build_folder(loaded, build_dir))
    outlooks = outlook(loaded, steps)
    if as_json:
        rows = [
            {
                "step": now.step,
                "stage": now.stage,
                "calls_done": now.cached,
                "calls_to_run": now.pending,
                "waits": now.unknown and not now.pending,
                "rows_in": now.rows_in,
                "rows_kept": None if now.unknown else now.rows_kept,
                "rows_dropped": None if now.unknown else now.rows_dropped,
                "outlook": outlooks.get(now.step, []),
            }
            for now in steps.values()
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    print_table(plan_table(steps, loaded))
    for step, lines in outlooks.items():
        click.echo("\n  ".join([f"{step}:", *lines]) + "\n")
    pending = [now for now in steps.values() if now.unknown]
    if not pending:
        click.echo("Everything is built; a build would run nothing.")
    elif first := next((now for now in pending if now.pending), None):
        click.echo(f"A build would start at step '{first.step}'. What follows is known once its rows are there.")
