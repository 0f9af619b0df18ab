"""`instructkit eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instructkit.cli.options import build_option, json_option, model_path, open_build, sampling_options

if TYPE_CHECKING:
    import polars as pl

    from instructkit.evaluate.result import BeforeAfter
    from instructkit.evaluate.run import Measurement
    from instructkit.evaluate.worst import Worst


@click.command("eval")
@click.argument("model")
@click.argument("step", required=False)
@build_option
@click.option("--data", "data_path", help="Conversations of a JSONL, JSON or Parquet file instead of a build's.")
@click.option("--split", help="Split to measure on. Default: test; of --data, everything.")
@click.option(
    "--by",
    multiple=True,
    default=("template",),
    show_default=True,
    help="Column to slice by: template, source, task, language, variant, split, file, group or meta.KEY; may be given "
    "several times.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Examples per template, chosen by seeded hash. Default: all.")
@click.option("--base", help="Model to compare with. Default: what the training of MODEL started from.")
@click.option("--no-base", is_flag=True, help="Compare with nothing.")
@click.option(
    "--generate", "replies", type=click.IntRange(min=1), help="Examples per template that are answered and scored."
)
@sampling_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice, the sampling and the intervals.")
@click.option(
    "--show-worst", type=click.IntRange(min=1), metavar="K", help="Show the K examples that it does worst on."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for evaluation.json, predictions.jsonl and losses.parquet.",
)
@click.option(
    "--lm-eval",
    "tasks",
    help="Tasks of the lm-evaluation-harness to run too, names or YAML files, separated by commas.",
)
@json_option
def eval_(
    model: str,
    step: str | None,
    build_path: Path | None,
    data_path: str | None,
    split: str | None,
    by: tuple[str, ...],
    limit: int | None,
    base: str | None,
    no_base: bool,
    replies: int | None,
    max_new_tokens: int,
    temperature: float | None,
    top_p: float,
    samples: int,
    seed: int,
    show_worst: int | None,
    out: Path | None,
    tasks: str | None,
    as_json: bool,
) -> None:
    """Measure MODEL (a folder, a hub name, or a training of the build) on the examples of STEP. Default: the step that
    the training was made from, else the last.

    Losses and scores come with 95 % bootstrap intervals over groups of examples, beside those of the model that the
    training started from.
    """
    from instructkit.cli.training_progress import training_progress
    from instructkit.errors import UsageFault
    from instructkit.evaluate.decode import Decoding
    from instructkit.evaluate.harness import require_harness, run_tasks
    from instructkit.evaluate.run import Answering, compared, measure_model
    from instructkit.evaluate.slices import check_columns
    from instructkit.train.watch.progress import Event

    check_columns(by)
    if base is not None and no_base:
        raise UsageFault("--base and --no-base exclude one another")
    if tasks:
        require_harness()
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, samples=samples, seed=seed)
    name, examples, metrics, documents = _examples(model, step, build_path, data_path, split, limit, seed)
    with training_progress() as progress:

        def measure(which: str) -> Measurement:
            def told(done: int, total: int) -> None:
                progress(Event(phase="replies", done=done, total=total))

            progress(Event(phase="evaluate", message=f"{which} on {examples.height:,} examples"))
            answering = (
                Answering(per_template=replies, decoding=decoding, metrics=metrics, told=told) if replies else None
            )
            return measure_model(which, examples, by=by, answering=answering, seed=seed, documents=documents)

        after = measure(name)
        before = None if no_base else _before(name, base, after, list(by), seed, measure)
    found = compared(before, after, by, seed)
    if tasks:
        from msgspec.structs import replace

        found = replace(found, lm_eval=run_tasks(name, [task.strip() for task in tasks.split(",")], limit))
    if out is not None:
        _write(found, after, out)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    _print(found, by)
    if show_worst:
        from instructkit.evaluate.worst import worst_losses, worst_replies

        _print_worst(worst_replies(after.evaluation, show_worst) or worst_losses(after.rows, examples, show_worst))


def _examples(
    model: str,
    step: str | None,
    build_path: Path | None,
    data: str | None,
    split: str | None,
    limit: int | None,
    seed: int,
) -> tuple[str, pl.DataFrame, dict[str, list[str]], bool]:
    """What is measured: the model's folder or hub name, the examples, the metrics that templates declare, and whether
    the examples are documents.
    """
    from instructkit.build.build import last_build
    from instructkit.errors import UsageFault
    from instructkit.evaluate.base import examples_of
    from instructkit.evaluate.choose import choose, drawn
    from instructkit.schema import Document

    if data is None:
        build = open_build(build_path)
        model = model_path(build.folder, model)
        own = examples_of(model)
        step = step or (own if own in build.row_steps() else build.last_examples())
        examples = choose(build.paths(step), split or "test", limit, seed)
        return model, examples, build.metrics(), build.noun(step) is Document
    from instructkit.report.conversations import read_examples

    if step is not None:
        raise UsageFault(f"--data {data} takes the place of a step of a build; leave out '{step}'")
    if not Path(model).is_dir() and (build_path or last_build(Path("build"))):
        model = model_path(open_build(build_path).folder, model)
    examples, dropped = read_examples(data)
    if dropped:
        click.echo(f"{data}: {dropped:,} records are no conversations that can be measured", err=True)
    if split is not None:
        examples = examples.filter(split=split)
    if not examples.height:
        raise UsageFault(f"{data}: no examples" + (f" of split '{split}'" if split else ""))
    return model, drawn(examples, limit, seed), {}, False


def _before(
    model: str, base: str | None, after: Measurement, by: list[str], seed: int, measure: Any
) -> Measurement | None:
    """Column zero: the model named, else the one that the training started from, else what it measured then."""
    from instructkit.errors import TrainingError, UsageFault
    from instructkit.evaluate.base import base_of, comparable, measured_before

    name = base or base_of(model)
    if name is not None:
        try:
            if comparable(model, name):
                found: Measurement = measure(name)
                return found
            if base is not None:
                raise UsageFault(f"--base {base}: of another kind than {model}; their losses cannot be compared")
        except TrainingError as error:
            if base is not None:
                raise
            click.echo(f"without the base model: {error}", err=True)
    return measured_before(model, after, by, seed)


def _write(found: BeforeAfter, after: Measurement, out: Path) -> None:
    import msgspec

    from instructkit.evaluate.result import write_evaluations

    out.mkdir(parents=True, exist_ok=True)
    write_evaluations(out / "evaluation.json", found)
    lines = [msgspec.json.encode(reply) + b"\n" for reply in after.evaluation.generations]
    (out / "predictions.jsonl").write_bytes(b"".join(lines))
    after.rows.write_parquet(out / "losses.parquet")


def _print(found: BeforeAfter, by: tuple[str, ...]) -> None:
    from instructkit.evaluate.table import loss_rows, score_rows
    from instructkit.report.tables import Table, print_table

    names = ("base", "model")
    after = found.after
    assert after is not None, "the model has been measured"
    over = "of the change" if found.before else "of the loss"
    for column in by:
        title = f"Loss by {column} on split {after.split}, nats per token; 95 % interval {over}, over groups"
        print_table(Table(title, *loss_rows(found, column, names)))
        if after.scores:
            print_table(Table(f"Replies by {column}", *score_rows(found, column, names)))
    for task, results in found.lm_eval.items():
        rows = [(name, str(value)) for name, value in results.items() if name != "alias"]
        print_table(Table(f"lm-eval {task}", ("metric", "value"), rows))
    for left, why in (
        (after.unlabelled, "the chat template cannot show them faithfully"),
        (after.overlong, "longer than the model takes"),
    ):
        if left:
            click.echo(f"not measured: {left:,} examples, {why}")
    if after.unanswered:
        click.echo(f"not answered: {after.unanswered:,} examples, whose prompt leaves no room for a reply")
    for note in dict.fromkeys([*after.notes, *(found.before.notes if found.before else ())]):
        click.echo(f"note: {note}")


def _print_worst(found: list[Worst]) -> None:
    for worst in found:
        click.echo(click.style(f"{worst.example_id}  ({worst.why})", bold=True))
        parts = [("asked", worst.prompt[-1].content if worst.prompt else ""), ("expected", worst.expected)]
        for title, text in [*parts, *([("answered", worst.reply)] if worst.reply is not None else [])]:
            click.echo(f"  {title}")
            click.echo("\n".join(f"    {line}" for line in text.splitlines()))
        click.echo()
