"""The command group. Commands are imported when they are called, so `--help` loads none of them."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from instructkit import __version__
from instructkit.cli.lazy import LazyGroup

COMMANDS: dict[str, str] = {
    "init": "Start a project: a recipe, a template and a little data of your own.",
    "check": "Report every fault of a recipe and its templates; do no work.",
    "plan": "Say what a build would do: what is done, what would run.",
    "build": "Build a recipe's dataset; what has not changed is not built again.",
    "show": "Look at rows of a step, at what it dropped, at the tokens trained on.",
    "why": "Walk an id back to file, line and template, or to what dropped it.",
    "diff": "Compare two builds: inputs, settings, counts, examples.",
    "verify": "Look for leaks between the splits of a build, or of any dataset.",
    "dedupe": "Copy JSON Lines or Parquet without near-duplicates; no recipe needed.",
    "audit": "Say what is wrong with instruction data from anywhere.",
    "export": "Write a step's examples in a format that others read.",
    "gc": "Remove from the store what the last builds do not use.",
    "templates": "Work on templates: find, check and test them.",
    "stages": "List the stages of a recipe, and the keys of one.",
    "train": "Tune a model on a build's examples.",
    "eval": "Measure a model on a build's examples: loss by template, source and task.",
    "ledger": "What a training made of its examples: never learned, forgotten, memorised, suspicious.",
    "generate": "Let a model answer.",
}


@click.group(
    cls=LazyGroup,
    package="instructkit.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="instructkit")
def cli() -> None:
    """Build instruction data from raw corpora, and tune a model on it.

    \b
      instructkit init my-project          start
      instructkit build recipes/first.yaml build the dataset
      instructkit show                     look at it
      instructkit why ID                   walk an example back to its file and line
      instructkit train recipes/first.yaml tune a model on it

    Exit codes: 0 done, 1 the run failed, 2 the recipe, a template or the command line is at fault.
    """  # noqa: D301 (\b keeps click from filling the lines)


def main(args: list[str] | None = None, **extra: Any) -> None:
    """Run the command line; errors of ours become one message and an exit code."""
    from instructkit.errors import InstructkitError

    # Before torch starts its threads: spinning while they wait makes training beside one busy process 8 times slower
    # (583 tokens/s against 4,506 measured), and gains nothing on a quiet machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        cli.main(args, prog_name="instructkit", **extra)
    except InstructkitError as error:
        click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `instructkit show | head`: the reader has gone; leave as quietly as other tools do.
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        # A full disk, a folder that cannot be written: the place and the system's own words.
        place = f"{error.filename}: " if error.filename else ""
        click.echo(click.style("error: ", fg="red", bold=True) + f"{place}{error.strerror or error}", err=True)
        sys.exit(1)
