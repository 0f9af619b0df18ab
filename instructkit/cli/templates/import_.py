"""`instructkit templates import`: templates of other collections, as files of ours."""

from __future__ import annotations

import click

from instructkit.cli.lazy import LazyGroup

COMMANDS: dict[str, str] = {
    "promptsource": "Convert promptsource's YAML files, each compared with what the original renders.",
}


@click.group("import", cls=LazyGroup, package="instructkit.cli.templates.imports", summaries=COMMANDS)
def import_() -> None:
    """Make templates of other collections into files of ours."""
