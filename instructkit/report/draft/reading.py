"""The records that a draft is made from, and what is to be said of those that cannot be read."""

from __future__ import annotations

from typing import NamedTuple

from instructkit.errors import UsageFault
from instructkit.report.data_file import DataFile
from instructkit.stages.ingest.documents import Bad, Record, position

DELIMITERS = {";": "';'", "\t": "a tab", "|": "'|'"}


class Read(NamedTuple):
    """The first records of a file."""

    records: list[Record]
    notes: list[str]
    """For the author: rows that could not be read, and a delimiter that is likely another."""


def read_records(data: DataFile, most: int) -> Read:
    """The first `most` records. Raises UsageFault, with the first reason and its place, where none can be read."""
    records: list[Record] = []
    first: Bad | None = None
    bad = 0
    for each in data.raw():
        if isinstance(each, Record):
            records.append(each)
            if len(records) == most:
                break
        else:
            first = first or each
            bad += 1
    unread = f"the first, {position(first.file, first.line)}: {_reason(first)}" if first else ""
    if not records:
        if first is None:
            raise UsageFault(f"{data.path}: no records in it; `instructkit templates new` looks at rows")
        hint = ""
        if first.rule == "ragged_row" and first.threshold == "1":
            hint = "; a header of one cell may mean that cells are separated by another character than is expected"
        counted = "the only row of it" if bad == 1 else f"none of its {bad:,} rows"
        verb = "cannot be read" if bad == 1 else "can be read"
        raise UsageFault(f"{data.path}: {counted} {verb} ({unread}){hint}")
    notes = []
    if first is not None:
        notes.append(f"{bad:,} of {bad + len(records):,} rows cannot be read and are left out ({unread}).")
    return Read(records, notes + _delimiter(data, records[0]))


def _reason(bad: Bad) -> str:
    return " ".join((f"{bad.rule}: {bad.detail}" if bad.detail else bad.rule).split())


def _delimiter(data: DataFile, record: Record) -> list[str]:
    """A note where the only column of a CSV is called like several."""
    if data.stage_name != "ingest.csv" or len(record.value) != 1:
        return []
    (name,) = record.value
    found = next((char for char in DELIMITERS if char in name), None)
    if found is None:
        return []
    way = "or name the file .tsv" if found == "\t" else "or save it with commas"
    written = {"\t": '"\\t"'}.get(found, f"'{found}'")
    return [
        f"The file's only column is called {name!r}: its cells are likely separated by {DELIMITERS[found]}. Add "
        f"`delimiter: {written}` to the ingest.csv step of a recipe, {way} and draft anew."
    ]
