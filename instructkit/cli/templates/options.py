"""Options and arguments that the commands on templates share, and how they find templates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from instructkit.templates.template import Template

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

patterns_argument: Decorator = click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
project_option: Decorator = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Project folder, whose templates/ stands before the library. Default: this folder.",
)
text_option: Decorator = click.option(
    "--text", metavar="COLUMN", help="Of a file: the column that is the text. Default: `text`, else the likely one."
)
column_option: Decorator = click.option(
    "--column",
    "columns",
    metavar="INPUT=COLUMN",
    multiple=True,
    help="Column that an input is read from, where it has another name: as `columns` of a render step. May be given "
    "several times.",
)


def read_from(columns: tuple[str, ...]) -> dict[str, str]:
    """What `--column` was given, by input. Raises UsageFault."""
    from instructkit.errors import UsageFault

    found: dict[str, str] = {}
    for each in columns:
        name, _, column = each.partition("=")
        if not name or not column:
            raise UsageFault(f"--column {each}: write INPUT=COLUMN, such as --column 'care_notes=Care Notes'")
        if found.setdefault(name, column) != column:
            raise UsageFault(f"--column: '{name}' is given two columns, '{found[name]}' and '{column}'")
    return found


def matching(patterns: tuple[str, ...], project: Path) -> list[Template]:
    """The templates that the patterns name, all where there is none. Raises TemplateFault."""
    from instructkit.templates.library import find_templates, template_folders

    return find_templates(list(patterns) or ["*"], template_folders(project))


def print_json(value: object) -> None:
    """Print JSON for a script."""
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
