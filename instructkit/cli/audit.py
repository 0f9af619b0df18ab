"""`instructkit audit`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from instructkit.cli.options import column_option, given_columns
from instructkit.cli.progress import line_progress


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--model",
    help="A model (folder or hub name): rows are also tokenised, and those whose labels would train nothing are named.",
)
@click.option(
    "--chat-template",
    metavar="FILE",
    help="A chat template (.jinja, or `chatml`) in place of the model's; alone, it says which rows train nothing.",
)
@click.option(
    "--against",
    metavar="EVAL",
    multiple=True,
    help="An evaluation (file, glob or folder): rows that hold its questions or answers are errors. May be repeated.",
)
@column_option
@click.option(
    "--rows", "named", type=click.IntRange(min=1), default=3, show_default=True, help="Rows to name of each kind."
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Also write everything as JSON; `-` prints it in place of the summary.",
)
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
def audit(
    paths: tuple[str, ...],
    model: str | None,
    chat_template: str | None,
    against: tuple[str, ...],
    columns: tuple[str, ...],
    named: int,
    json_file: Path | None,
    strict: bool,
) -> None:
    """Say what is wrong with instruction data from anywhere: files, globs, folders, builds (or recipes that were
    built).

    Alpaca, ShareGPT, OpenAI messages, prompt and completion, question and answer, plain texts; JSON Lines, JSON, CSV,
    Parquet, Arrow, and folders of the Hugging Face hub. The format is detected. Several PATHs are one dataset.

    Exit 0 without errors, 1 with errors (rows that are no conversation, that say nothing, that train nothing, that
    stand in two splits or hold a row of an evaluation), 2 where a path cannot be read.

    \b
      instructkit audit data/alpaca.json
      instructkit audit data/ --model path/to/model --json audit.json --rows 20
    """  # noqa: D301 (\b keeps click from filling the lines)
    from instructkit.audit.labels import labelling
    from instructkit.audit.run import audit as run
    from instructkit.cli.options import open_build
    from instructkit.errors import InputError, UsageFault

    given = given_columns(columns)
    recipes = (".yaml", ".yml")
    places = [str(open_build(Path(path)).folder) if path.endswith(recipes) else path for path in paths]
    labels = labelling(model, chat_template) if model or chat_template else None
    with line_progress() as observe:
        try:
            found = run(places, given=given or None, against=against, labels=labels, named=named, observe=observe)
        except InputError as error:
            raise UsageFault(str(error)) from error
    text = json.dumps(found.as_json(), indent=1, ensure_ascii=False)
    if json_file is not None and str(json_file) != "-":
        json_file.write_text(text + "\n", encoding="utf-8")
    if str(json_file) == "-":
        click.echo(text)
    else:
        from instructkit.cli.terminal import terminal
        from instructkit.report.audit import audit_lines

        click.echo("\n".join(audit_lines(found, *terminal())))
    if found.verdict == "errors" or (strict and found.verdict == "warnings"):
        sys.exit(1)
