"""`instructkit show`."""

from __future__ import annotations

from pathlib import Path

import click

from instructkit.cli.options import build_option, json_option, model_path, open_build


@click.command()
@click.argument("step", required=False)
@build_option
@click.option("--rows", "-n", type=click.IntRange(min=1), default=3, show_default=True, help="How many.")
@click.option(
    "--where",
    help="SQL condition over the columns (with --dropped: of the drops), such as \"template = 'python/explain'\".",
)
@click.option("--id", "record_id", help="Only the row with this id.")
@click.option("--dropped", is_flag=True, help="What the step dropped, with reasons, instead of what it kept.")
@click.option("--clusters", is_flag=True, help="Clusters of duplicates that the step found, the largest first.")
@click.option("--contaminated", is_flag=True, help="Rows of evaluations that the step found in records.")
@click.option(
    "--tokens",
    "model",
    metavar="MODEL",
    help="Show examples as tokens of a model (folder, hub name, or a training of the build), trained ones coloured.",
)
@click.option("--full", is_flag=True, help="Long texts whole.")
@json_option
def show(
    step: str | None,
    build_path: Path | None,
    rows: int,
    where: str | None,
    record_id: str | None,
    dropped: bool,
    clusters: bool,
    contaminated: bool,
    model: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Look at rows of STEP (default: the last with rows), spread over the whole of it.

    With --dropped, STEP may also be a training: the examples that it left out.
    """
    from instructkit.errors import UsageFault
    from instructkit.report.contamination import contaminated_lines, contaminated_rows
    from instructkit.report.duplicates import clusters as clusters_of
    from instructkit.report.show import cluster_lines, drop_lines, export_lines, matching, pick, row_lines, token_lines
    from instructkit.schema import Example, records

    build = open_build(build_path)
    if step is None:
        step = build.row_steps()[-1]
    if dropped:
        training = step not in build.manifest.steps and (build.folder / "trainings" / step).is_dir()
        drops = build.training_drops().filter(step=f"training {step}") if training else build.drops(step)
        if record_id:
            drops = drops.filter(id=record_id)
        found = (matching(drops, where) if where else drops).head(rows).collect()
        click.echo(
            found.write_ndjson() if as_json else "\n".join(drop_lines(found)) or f"step '{step}' dropped nothing"
        )
        return
    if clusters:
        if as_json:
            click.echo(clusters_of(build, step).write_ndjson(), nl=False)
        else:
            click.echo("\n".join(cluster_lines(build, step, rows)) or f"step '{step}' found no duplicates")
        return
    if contaminated:
        if as_json:
            click.echo(contaminated_rows(build, step).write_ndjson(), nl=False)
        else:
            said = contaminated_lines(build, step, rows)
            click.echo("\n".join(said) or f"step '{step}' found no rows of evaluations")
        return
    found = pick(build, step, rows, where, record_id)
    if found.is_empty():
        hint = (
            "; `instructkit why` tells what became of an id"
            if record_id
            else f"; see `instructkit show {step} --dropped`"
        )
        click.echo(f"step '{step}': no such rows{hint}")
    elif model is not None:
        if build.noun(step) is not Example:
            raise UsageFault(
                f"step '{step}' holds no examples; --tokens takes one of {', '.join(build.example_steps())}"
            )
        from instructkit.chat.view import token_view
        from instructkit.models.load import load_tokenizer

        tokenizer = load_tokenizer(model_path(build.folder, model))
        for example in records(Example, found):
            click.echo("\n".join(token_lines(example, token_view(example, tokenizer))) + "\n")
    elif as_json:
        click.echo(found.write_ndjson(), nl=False)
    elif (noun := build.noun(step)) is None:
        click.echo("\n".join(export_lines(found)))
    else:
        click.echo("\n".join(row_lines(noun, found, full)))
