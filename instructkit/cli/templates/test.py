"""`instructkit templates test`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import matching, patterns_argument, print_json, project_option
from instructkit.cli.terminal import terminal


@click.command("test")
@patterns_argument
@project_option
@json_option
def test(patterns: tuple[str, ...], project: Path, as_json: bool) -> None:
    """Run the tests that templates carry, and show what was expected beside what was rendered where one fails.

    White space at the end of a line is shown as a sign (· space, ⇥ tab). Exit 1 when a test fails, 2 when a template is
    at fault.
    """
    from instructkit.report.case_diff import case_lines
    from instructkit.templates.cases import run_tests
    from instructkit.templates.library import shown_path

    found = matching(patterns, project)
    results = [result for template in found for result in run_tests(template)]
    failed = [result for result in results if not result.passed]
    if as_json:
        shown = ("template", "test", "line", "passed", "difference")
        print_json([{name: getattr(result, name) for name in shown} for result in results])
    else:
        width, colour = terminal()
        files = {template.name: shown_path(template.path) if template.path else template.file for template in found}
        for result in failed:
            place = f"{files[result.template]}:{result.line}"
            click.echo(f"{place}: " + click.style(f"{result.test} failed", fg="red", bold=True))
            click.echo("\n".join(case_lines(result.difference, width, colour)))
        for template in found:
            if not template.front.tests:
                click.echo(f"{template.name}: has no tests")
        click.echo(f"{len(found)} templates, {len(results)} tests, {len(failed)} failed")
    if failed:
        sys.exit(1)
