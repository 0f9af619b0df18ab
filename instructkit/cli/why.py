"""`instructkit why`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from instructkit.cli.options import build_option, json_option, open_build
from instructkit.cli.terminal import terminal


@click.command()
@click.argument("record_id", metavar="ID")
@build_option
@click.option("--full", is_flag=True, help="Compared texts whole, nothing folded.")
@json_option
def why(record_id: str, build_path: Path | None, full: bool, as_json: bool) -> None:
    """Walk the example or document ID back to file, line and template, or to the step and rule that dropped it.

    A record that was dropped as a duplicate is shown beside the one that it is most like and the one that was kept,
    one that holds a row of an evaluation beside that row, with the differences marked. ID may also be FILE:LINE, a
    place in a source: what was read there.
    """
    from instructkit.errors import UsageFault
    from instructkit.report.beside import comparison_lines
    from instructkit.report.show import drop_lines
    from instructkit.report.why import all_comparisons, at, trace_lines
    from instructkit.report.why import as_json as plain_data
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
    width, colour = terminal()
    for each in found:
        click.echo("\n".join(trace_lines(each)))
        for comparison in all_comparisons(each):
            click.echo("\n".join(comparison_lines(comparison, width, colour, full)))
    for line in drop_lines(frame(Drop, lost)):
        click.echo(line)
