"""`instructkit templates ls`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import matching, patterns_argument, print_json, project_option


@click.command("ls")
@patterns_argument
@project_option
@json_option
def ls(patterns: tuple[str, ...], project: Path, as_json: bool) -> None:
    """List templates by name or glob (python/*), or all of them."""
    found = matching(patterns, project)
    if as_json:
        print_json(
            [
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
        )
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
