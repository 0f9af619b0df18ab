"""`instructkit plan`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import build_dir_option, build_folder, json_option, recipe_argument


@click.command()
@recipe_argument
@build_dir_option
@click.option("--probe", is_flag=True, help="Measure how fast trainings are here, by some real micro-batches.")
@json_option
def plan(recipe: Path, build_dir: Path | None, probe: bool, as_json: bool) -> None:
    """Say what a build of RECIPE would do: calls that are done, calls that would run.

    For trainings whose examples are built: what becomes of them, tokens, steps and memory; with --probe, time. They are
    tokenised for that; the training takes it up.
    """
    from instructkit.build.build import outlook, planned
    from instructkit.cli.training_outlook import as_json as trainings_as_json
    from instructkit.cli.training_outlook import echo_outlooks, training_outlooks
    from instructkit.recipe.recipe import load_recipe
    from instructkit.report.tables import plan_table, print_table

    loaded = load_recipe(recipe)
    steps, build = planned(loaded, build_folder(loaded, build_dir))
    outlooks = outlook(loaded, steps, build)
    trainings = training_outlooks(loaded, build, loaded.trainings, probe)
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
        click.echo(json.dumps({"steps": rows, "trainings": trainings_as_json(trainings)}, indent=1))
        return
    print_table(plan_table(steps, loaded))
    for step, lines in outlooks.items():
        if lines:
            click.echo("\n  ".join([f"{step}:", *lines]) + "\n")
    echo_outlooks(loaded, trainings)
    pending = [now for now in steps.values() if now.unknown]
    if not pending:
        click.echo("Everything is built; a build would run nothing.")
    elif first := next((now for now in pending if now.pending), None):
        click.echo(f"A build would start at step '{first.step}'. What follows is known once its rows are there.")
