"""`instructkit templates`: list the templates of a project and of the library, and run their tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from instructkit.errors import TemplateFault

if TYPE_CHECKING:
    from instructkit.templates.template import Template

PATTERNS = click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
PROJECT = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Project folder, whose templates/ stands before the library. Default: this folder.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("templates")
def templates() -> None:
    """List and test templates."""


@templates.command("ls")
@PATTERNS
@PROJECT
@AS_JSON
def list_templates(patterns: tuple[str, ...], project: Path, as_json: bool) -> None:
    """List templates by name or glob (python/*), or all of them."""
    found = _find(patterns, project)
    rows = [
        {
            "name": template.name,
            "task": template.front.task,
            "summary": template.front.summary,
            "inputs": list(template.front.declared()),
            "languages": template.front.languages,
            "tests": len(template.front.tests),
            "hash": template.hash,
        }
        for template in found
    ]
    if as_json:
        _print_json(rows)
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Column, Table

        table = Table(Column("template", no_wrap=True), "summary", "inputs", "tests")
        for template in found:
            front = template.front
            table.add_row(template.name, front.summary, ", ".join(front.inputs), str(len(front.tests)))
        Console().print(table)
    else:
        for template in found:
            click.echo(f"{template.name}\t{template.front.task}\t{template.front.summary}")


@templates.command("test")
@PATTERNS
@PROJECT
@AS_JSON
def run_template_tests(patterns: tuple[str, ...], project: Path, as_json: bool) -> None:
    """Run the tests that templates carry. Exit 1 when one fails, 2 when a template is at fault."""
    from instructkit.templates.cases import run_tests

    found = _find(patterns, project)
    results = [result for template in found for result in run_tests(template)]
    failed = [result for result in results if not result.passed]
    if as_json:
        shown = ("template", "test", "passed", "difference")
        _print_json([{name: getattr(result, name) for name in shown} for result in results])
    else:
        for result in failed:
            click.echo(f"{result.template}: {result.test} failed")
            for line in result.difference.split("\n"):
                colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
                click.echo("    " + click.style(line, fg=colour))
        for template in found:
            if not template.front.tests:
                click.echo(f"{template.name}: has no tests")
        click.echo(f"{len(found)} templates, {len(results)} tests, {len(failed)} failed")
    if failed:
        sys.exit(1)


def _find(patterns: tuple[str, ...], project: Path) -> list[Template]:
    from instructkit.templates.library import find_templates, template_folders

    try:
        return find_templates(list(patterns) or ["*"], template_folders(project))
    except TemplateFault as fault:
        click.echo(str(fault), err=True)
        sys.exit(fault.exit_code)


def _print_json(value: object) -> None:
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
