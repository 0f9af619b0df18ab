"""`instructkit check`."""

from __future__ import annotations

from pathlib import Path

import click

from instructkit.cli.options import recipe_argument


@click.command()
@recipe_argument
def check(recipe: Path) -> None:
    """Report every fault of RECIPE and its templates at once, each with file, line and column; do no work."""
    from instructkit.errors import RecipeFault
    from instructkit.recipe.inputs import missing_inputs
    from instructkit.recipe.recipe import load_recipe

    loaded = load_recipe(recipe)
    if missing := missing_inputs(loaded):
        raise RecipeFault(missing)
    stages = ", ".join(f"{step.name} ({step.stage_name})" for step in loaded.steps.values())
    click.echo(f"{recipe}: no faults; {len(loaded.steps)} steps: {stages}")
    if loaded.trainings:
        click.echo(f"trainings: {', '.join(loaded.trainings)}")
