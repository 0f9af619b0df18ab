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
    """Walk the example or document ID back to file, line and template, or to the step and rule that dropped it.

    ID may also be FILE:LINE, a place in a source: what was read there.
    """
    from instructkit.errors import UsageFault
    from instructkit.report.show import drop_lines
    from instructkit.report.why import as_json as plain_data
    from instructkit.report.why import at, trace_lines
    from instructkit.report.why import why as trace
    from instructkit.schema import Drop, frame

    build = open_build(build_path)
    try:
        found, lost = [trace(build, record_id)], list[Drop]()
    except UsageFault:
        file, _, line = record_id.rpartition(":")
        ids, lost = at(build, file, int(line)) if file and line.isdigit() else ([], [])
        if not ids and not lost:
            raise
        found = [trace(build, each) for each in ids]
    if as_json:
        data = [plain_data(each) for each in found] or [plain_data(drop) for drop in lost]
        click.echo(json.dumps(data if len(data) > 1 else data[0], indent=1, ensure_ascii=False))
        return
    click.echo("\n".join([*(line for each in found for line in trace_lines(each)), *drop_lines(frame(Drop, lost))]))
