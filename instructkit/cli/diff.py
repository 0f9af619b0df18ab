"""`instructkit diff`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import json_option, open_build


@click.command()
@click.argument("a", type=click.Path(path_type=Path, exists=True))
@click.argument("b", type=click.Path(path_type=Path, exists=True))
@click.option("--rows", "-n", type=click.IntRange(min=0), default=5, show_default=True, help="Ids shown of each kind.")
@json_option
def diff(a: Path, b: Path, rows: int, as_json: bool) -> None:
    """Compare builds A and B (folders or recipes), step by step: settings, inputs, templates, rows."""
    import msgspec

    from instructkit.report.diff import diff as compare
    from instructkit.report.diff import diff_lines

    found = compare(open_build(a), open_build(b), rows)
    click.echo(json.dumps(msgspec.to_builtins(found), indent=1) if as_json else "\n".join(diff_lines(found)))
