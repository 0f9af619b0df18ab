"""`instructkit train`."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from instructkit.cli.options import build_dir_option, build_folder, json_option, recipe_argument, shown, workers_option

if TYPE_CHECKING:
    from instructkit.recipe.recipe import Recipe
    from instructkit.train.step.ranks import Ranks


@click.command()
@recipe_argument
@click.argument("name", required=False)
@build_dir_option
@workers_option
@click.option("--fresh", is_flag=True, help="Start over, whatever an earlier run of this training has done.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes of this machine that share the training: one a GPU. Over several machines: torchrun.",
)
@click.option("--preflight", is_flag=True, help="Stop once it is known what becomes of the examples; as `plan` tells.")
@json_option
def train(
    recipe: Path,
    name: str | None,
    build_dir: Path | None,
    workers: int | None,
    fresh: bool,
    processes: int,
    preflight: bool,
    as_json: bool,
) -> None:
    """Build RECIPE where that is needed, then run its training NAME (default: the only one).

    The trainings that it starts `from` are run before it, where they are not finished. Interrupted, run it again: it
    goes on at the last checkpoint, exactly. Finished, it is reused.
    """
    from instructkit.cli.ranks import launch, on_ranks
    from instructkit.recipe.recipe import load_recipe

    loaded = load_recipe(recipe)
    name = loaded.training_name(name)
    for each in loaded.chain(name):
        loaded.trainings[each].at(loaded.root)  # what it needs is there: better known before the build than behind it
    if processes > 1 and not preflight:
        launch(processes)
    with on_ranks() as ranks:
        _build_and_train(loaded, name, recipe, build_dir, workers, fresh, preflight, as_json, ranks)


def _build_and_train(
    loaded: Recipe,
    name: str,
    recipe: Path,
    build_dir: Path | None,
    workers: int | None,
    fresh: bool,
    preflight: bool,
    as_json: bool,
    ranks: Ranks | None,
) -> None:
    from instructkit.build.build import build as run_build
    from instructkit.build.lineage import lineage
    from instructkit.build.manifest import Build
    from instructkit.cli.progress import step_progress
    from instructkit.cli.training_outlook import say_preflight
    from instructkit.executors.local import LocalExecutor

    chain = {one: loaded.trainings[one] for one in loaded.chain(name)}
    config = chain[name]

    def build() -> Path:
        with LocalExecutor(workers) as executor, step_progress() as observe:
            result = run_build(loaded, build_folder(loaded, build_dir), executor, observe=observe)
        calls = f"{result.ran or 'no'} calls ran"
        step = f"training '{name}' on step '{config.examples}'"
        click.echo(f"{shown(result.build.folder)}: {calls}; {step}", err=True)
        return result.build.folder

    built = Build.open(build() if ranks is None else ranks.alone(build))
    if preflight:
        if ranks is None or ranks.first:
            say_preflight(loaded, built, name, as_json)
        return

    from instructkit.cli.training_progress import training_progress
    from instructkit.evaluate.result import BeforeAfter
    from instructkit.evaluate.table import loss_rows, score_rows
    from instructkit.report.tables import Table, print_table
    from instructkit.train.run import train as run_training

    trainings = Path(shown(built.folder)) / "trainings"
    out = trainings / name
    there = ["--build-dir", str(build_dir)] if build_dir else []
    for one, its in chain.items():  # the trainings that it starts from come first; what is finished is reused
        with training_progress() if ranks is None or ranks.first else nullcontext() as progress:
            done = run_training(
                its,
                built.paths(its.examples),
                trainings / one,
                dataset_hash=built.step(its.examples).digest,
                lineage=lineage(built, its.examples),
                root=loaded.root,
                base=trainings / its.from_ / "model" if its.from_ else None,
                progress=progress,
                resume=not (fresh and one == name),
                metrics=built.metrics(),
                start_over=shlex.join(["instructkit", "train", str(recipe), one, *there, "--fresh"]),
            )
    if ranks is not None and not ranks.first:
        return
    if as_json:
        click.echo((out / "evaluation.json").read_text() if (out / "evaluation.json").exists() else json.dumps({}))
        return
    if done.after is not None:
        found = BeforeAfter(before=done.before, after=done.after, changes=[*done.changes])
        print_table(Table(f"Loss on the {done.after.split} split, nats per token", *loss_rows(found)))
        if config.scored_replies:
            print_table(Table("Replies", *score_rows(found)))
        for reply in done.after.generations[: config.generations]:
            click.echo(click.style(reply.example_id, bold=True))
            for title, text in (
                ("asked", reply.prompt[-1].content),
                ("expected", reply.expected),
                ("answered", reply.reply),
            ):
                click.echo(f"  {title}")
                click.echo("\n".join(f"    {line}" for line in text.splitlines()))
            click.echo()
    how = "finished earlier, reused" if done.reused else f"{done.steps:,} steps in {done.seconds:.0f} s"
    click.echo(f"Model: {shown(done.model)} ({how})")
    replies = done.after.generations if done.after is not None else []
    tool = _tool()
    question = replies[0].prompt[-1].content.partition("\n")[0] if replies else "Hello"
    commands = {
        f"{tool} show {config.examples} --tokens {name}": "what was trained on, token by token",
        f"{tool} why {shlex.quote(replies[0].example_id) if replies else 'ID'}": "its way back to file and line",
        f"{tool} generate {name} {shlex.quote(question)}": "ask the model",
    }
    if done.after is not None:
        commands[f"{tool} eval {name} {config.examples} --by source --by task"] = "the loss by other columns"
    click.echo("Next:\n" + "\n".join(f"  {command}    # {what}" for command, what in commands.items()))


def _tool() -> str:
    """What to type to call this program again from here."""
    if shutil.which("instructkit"):
        return "instructkit"
    called = Path(sys.argv[0])
    return "python -m instructkit" if called.name == "__main__.py" else shown(called.absolute())
