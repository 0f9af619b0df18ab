"""`instructkit verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import column_option, given_columns
from instructkit.cli.progress import line_progress


@click.command()
@click.argument("path", metavar="PATH")
@click.option("--step", help="Of a build: the export or step to read. Default: each export, else the last examples.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1),
    default=0.8,
    show_default=True,
    help="Least similarity of near-duplicates: sequences of 5 words that two texts share, over all of the two.",
)
@click.option(
    "--common",
    type=click.IntRange(min=2),
    default=50,
    show_default=True,
    help="Different texts from which on a sequence of words is template text, and nobody's own.",
)
@click.option(
    "--build",
    "-b",
    "build_path",
    type=click.Path(path_type=Path),
    help="The build (folder or recipe) that files elsewhere were exported from: it knows exemplars and template text.",
)
@click.option(
    "--against",
    metavar="EVALUATION",
    multiple=True,
    help="File, folder or glob of an evaluation whose rows must not stand here; may be given several times. Those "
    "that a build was decontaminated against are looked for anyway.",
)
@column_option
@click.option(
    "--rows", "-n", type=click.IntRange(min=0), default=1, show_default=True, help="Pairs shown of each kind."
)
@click.option("--json", "json_file", metavar="FILE", help="Write everything as JSON; - is standard output.")
def verify(
    path: str,
    step: str | None,
    threshold: float,
    common: int,
    build_path: Path | None,
    against: tuple[str, ...],
    columns: tuple[str, ...],
    rows: int,
    json_file: str | None,
) -> None:
    """Look for leaks: what of one split of PATH stands in another, and what of evaluations stands in any.

    PATH is the folder of a build, a recipe that was built, or any dataset: a file, a folder or a glob of JSON Lines,
    JSON, CSV, Parquet or Arrow. Splits are told by names of files and folders (train, validation, test and the like),
    else by a column `split`. The files are read again; how they were made is not asked.

    \b
      instructkit verify build/mix
      instructkit verify downloads/some-dataset --json leaks.json
      instructkit verify data/train.jsonl --against eval/gsm8k.jsonl --against eval/squad/

    Exit code: 0 nothing crosses, 1 something does, 2 it cannot be told (no splits, a file or many rows that cannot be
    read, an evaluation without rows).
    """  # noqa: D301 (\b keeps click from filling the lines)
    from instructkit.audit.crossings import Settings
    from instructkit.audit.evaluations import named
    from instructkit.audit.verified import verified_json
    from instructkit.audit.verify import datasets_of
    from instructkit.audit.verify import verify as run
    from instructkit.cli.options import open_build, shown
    from instructkit.cli.terminal import terminal
    from instructkit.errors import InputError, UsageFault
    from instructkit.report.verified import verified_lines

    given = given_columns(columns)
    settings = Settings(threshold=threshold, common=common)
    if Path(path).suffix in (".yaml", ".yml"):
        path = shown(open_build(Path(path)).folder.resolve())
    found = []
    width, _ = terminal()
    try:
        build = open_build(build_path) if build_path else None
        for dataset, lineage in datasets_of(path, step, build):
            with line_progress() as observe:
                found.append(run(dataset, lineage, settings, given, named(against), observe))
            if json_file != "-":
                click.echo("\n".join(verified_lines(found[-1], rows, width)))
    except InputError as error:
        # 1 says that something crosses; of a file that cannot be read nobody knows.
        raise UsageFault(str(error)) from error
    if json_file == "-":
        click.echo(verified_json(found))
    elif json_file:
        Path(json_file).write_text(verified_json(found) + "\n", encoding="utf-8")
    if any(each.verdict == "leaks" for each in found):
        sys.exit(1)
    if not all(each.clean for each in found):
        sys.exit(2)
