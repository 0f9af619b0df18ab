"""`instructkit why`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import build_option, json_option, open_build


@click.command()
@click.argument("record_id", metavar="ID")
@build_option
@json_option
def why(record_id: str, build_path: Path | None, as_json: bool) -> None:
    """Walk the example or document ID back to file, line and template, or to the step and rule that dropped it."""
    from instructkit.report.why import as_json as plain_data
    from instructkit.report.why import trace_lines
    from instructkit.report.why import why as trace

    found = trace(open_build(build_path), record_id)
    click.echo(
        json.dumps(plain_data(found), indent=1, ensure_ascii=False) if as_json else "\n".join(trace_lines(found))
    )
