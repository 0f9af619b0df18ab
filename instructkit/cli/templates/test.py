"""`instructkit templates test`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import matching, patterns_argument, print_json, project_option


@click.command("test")
@patterns_argument
@project_option
@json_option
def test(patterns: tuple[str, ...], project: Path, as_json: bool) -> None:
    """Run the tests that templates carry. Exit 1 when one fails, 2 when a template is at fault."""
    from instructkit.templates.cases import run_tests

    found = matching(patterns, project)
    results = [result for template in found for result in run_tests(template)]
    failed = [result for result in results if not result.passed]
    if as_json:
        shown = ("template", "test", "passed", "difference")
        print_json([{name: getattr(result, name) for name in shown} for result in results])
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
