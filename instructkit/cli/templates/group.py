"""`instructkit templates`: the work on templates, a command for each step of it."""

from __future__ import annotations

import click

from instructkit.cli.lazy import LazyGroup

COMMANDS: dict[str, str] = {
    "ls": "List the templates of a project and of the library.",
    "new": "Draft a template from a data file.",
    "lint": "Say what is wrong, or likely to be, in templates.",
    "preview": "Show what templates make of real rows.",
    "test": "Run the tests that templates carry.",
    "import": "Convert the templates of other collections.",
}


@click.group("templates", cls=LazyGroup, package="instructkit.cli.templates", summaries=COMMANDS)
def templates() -> None:
    """Work on templates: find, check and test them."""
