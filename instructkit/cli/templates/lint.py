"""`instructkit templates lint`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import patterns_argument, print_json, project_option

if TYPE_CHECKING:
    from instructkit.templates.lint.finding import Finding

ROWS = 200


@click.command("lint")
@patterns_argument
@project_option
@click.option(
    "--rows",
    metavar="FILE",
    help=f"Data file (JSON Lines, JSON, CSV, Parquet) whose first {ROWS} rows are rendered too.",
)
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
@json_option
def lint(patterns: tuple[str, ...], project: Path, rows: str | None, strict: bool, as_json: bool) -> None:
    """Say what is wrong, or likely to be, in templates: all of them, or those of a name or glob (python/*).

    Exit 0 without errors, 1 with errors, 2 when a template cannot be loaded. A template switches a rule off with
    `allow: [RULE]`.
    """
    from instructkit.templates.library import load_each, shown_path, template_folders
    from instructkit.templates.lint import run
    from instructkit.templates.template import Template

    def shown(template: Template) -> str:
        return shown_path(template.path) if template.path else template.file

    folders = template_folders(project)
    found = load_each(list(patterns) or ["*"], folders)
    names = {template.name for template in found.templates}
    others = [each for each in load_each(["*"], folders).templates if each.name not in names] if patterns else []
    linted = run.lint(found.templates, found.faults, others=others, rows=_rows(rows), shown=shown)
    if as_json:
        import msgspec

        print_json([msgspec.structs.asdict(finding) for finding in linted.findings])
    else:
        for finding in linted.findings:
            click.echo(_line(finding))
        errors, warnings = linted.count("error"), linted.count("warning")
        faults = f", {linted.faults} faults" if linted.faults else ""
        click.echo(f"{linted.templates} templates, {errors} errors, {warnings} warnings{faults}")
    if linted.faults:
        sys.exit(2)
    if linted.count("error") or (strict and linted.count("warning")):
        sys.exit(1)


def _rows(path: str | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    from instructkit.report.data_file import open_data

    return open_data(path).head(ROWS)


def _line(finding: Finding) -> str:
    colour = "red" if finding.severity == "error" else "yellow"
    said = f"{finding.severity}: "
    place, _, message = str(finding).partition(said)
    return f"{place}{click.style(said, fg=colour)}{message}"
