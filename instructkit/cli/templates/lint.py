"""`instructkit templates lint`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instructkit.cli.options import json_option
from instructkit.cli.templates.options import (
    column_option,
    patterns_argument,
    print_json,
    project_option,
    read_from,
    text_option,
)

if TYPE_CHECKING:
    from instructkit.templates.lint.finding import Finding
    from instructkit.templates.template import Template

ROWS = 200


@click.command("lint")
@patterns_argument
@project_option
@click.option(
    "--rows",
    metavar="FILE",
    help=f"Data file (JSON Lines, JSON, CSV, Parquet) whose first {ROWS} rows are rendered too.",
)
@text_option
@column_option
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
@json_option
def lint(
    patterns: tuple[str, ...],
    project: Path,
    rows: str | None,
    text: str | None,
    columns: tuple[str, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """Say what is wrong, or likely to be, in templates: all of them, or those of a name or glob (python/*).

    Exit 0 without errors, 1 with errors, 2 when a template cannot be loaded. A template switches a rule off with
    `allow: [RULE]`.
    """
    from instructkit.templates.library import load_each, shown_path, template_folders
    from instructkit.templates.lint import run

    def shown(template: Template) -> str:
        return shown_path(template.path) if template.path else template.file

    folders = template_folders(project)
    found = load_each(list(patterns) or ["*"], folders)
    names = {template.name for template in found.templates}
    others = [each for each in load_each(["*"], folders).templates if each.name not in names] if patterns else []
    given, said = _rows(rows, found.templates, text, columns)
    linted = run.lint(found.templates, found.faults, others=others, rows=given, shown=shown)
    if said:
        click.echo(said, err=as_json)
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


def _rows(
    path: str | None, templates: Sequence[Template], text: str | None, columns: tuple[str, ...]
) -> tuple[dict[str, list[dict[str, Any]]], str | None]:
    """The rows of a file for each template, and what is to be said of them."""
    from instructkit.errors import UsageFault
    from instructkit.report.lint_rows import lint_rows

    if path is None:
        if text is not None or columns:
            raise UsageFault("--text and --column say how rows of a file are read; name it by --rows")
        return {}, None
    found = lint_rows(path, templates, ROWS, text, read_from(columns))
    return found.given, found.said


def _line(finding: Finding) -> str:
    colour = "red" if finding.severity == "error" else "yellow"
    said = f"{finding.severity}: "
    place, _, message = str(finding).partition(said)
    return f"{place}{click.style(said, fg=colour)}{message}"
