"""Data files as a recipe's ingest steps would read them, chosen by suffix: for commands that look at a file first.

.jsonl .ndjson .jsonlines    ingest.jsonl        .csv .tsv .tab    ingest.csv
.json                        ingest.json         .parquet          ingest.parquet
each of the text formats also as .gz and .zst; a .json file that holds one object a line is ingest.jsonl's
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from instructkit.errors import InputError, UsageFault
from instructkit.stages.contract import Outcome, Part, PartFile
from instructkit.stages.ingest import csv, json, jsonl, parquet
from instructkit.stages.ingest.blocks import lines
from instructkit.stages.ingest.documents import Bad, Record
from instructkit.stages.ingest.find import Found, find_files, plain_name
from instructkit.stages.ingest.json_array import json_records
from instructkit.stages.ingest.parquet_rows import parquet_records
from instructkit.stages.table import stage_class

KINDS = {
    "ingest.jsonl": jsonl.SUFFIXES,
    "ingest.json": json.SUFFIXES,
    "ingest.csv": csv.SUFFIXES,
    "ingest.parquet": parquet.SUFFIXES,
}
LONGEST_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file, folder or glob of a kind that an ingest reads."""

    path: str
    """As it was given."""
    stage_name: str
    files: tuple[PartFile, ...]
    records: str | None = None
    """For JSON: dotted path to the array of records."""
    encoding: str = "utf-8"

    def settings(self, text: str, fields: list[str] | None = None) -> dict[str, Any]:
        """The keys of the recipe step that reads it, without those that have their default."""
        keys: dict[str, Any] = {"stage": self.stage_name, "path": self.path}
        keys |= {} if text == "text" else {"text": text}
        keys |= {"fields": fields} if fields is not None else {}
        keys |= {"records": self.records} if self.records is not None else {}
        return keys | ({"encoding": self.encoding} if self.encoding != "utf-8" else {})

    def raw(self) -> Iterator[Record | Bad]:
        """Its records as the source holds them. Raises InputError where it cannot be read."""
        for file in self.files:
            if self.stage_name == "ingest.jsonl":
                yield from jsonl.json_lines(file, self.encoding, LONGEST_BYTES)
            elif self.stage_name == "ingest.json":
                yield from json_records(file, self.encoding, self.records, LONGEST_BYTES)
            elif self.stage_name == "ingest.csv":
                yield from csv.IngestCsv(path=self.path, encoding=self.encoding)._rows(file)
            else:
                yield from parquet_records(file, None, None, None)

    def head(self, rows: int) -> list[dict[str, Any]]:
        """The first readable records, as they are."""
        good = (record.value for record in self.raw() if isinstance(record, Record))
        return list(islice(good, rows))

    def documents(self, text: str, fields: list[str] | None = None, source: str | None = None) -> Iterator[Outcome]:
        """Its records as an ingest step of a recipe gives them, file by file; ids begin with `source`.

        Default: the file's name. Raises InputError as the ingest does.
        """
        keys = {name: value for name, value in self.settings(text, fields).items() if name != "stage"}
        stage = stage_class(self.stage_name)(**keys, source=source or source_name(self.path))
        for file in self.files:
            # A part for each file, with no digest: nothing is kept of it, and a large file is not read for its hash.
            yield from stage.read(Part(name=file.name, files=(file,)))


def open_data(path: str, records: str | None = None, encoding: str = "utf-8") -> DataFile:
    """A data file for looking at. Raises InputError where there is none, UsageFault for one of no known kind."""
    suffixes = tuple(suffix for kind in KINDS.values() for suffix in kind)
    found = find_files(path, Path(), suffixes)
    kinds = dict.fromkeys(_kind(each, encoding, records) for each in found)
    if len(kinds) > 1:
        raise UsageFault(f"{path}: holds files of {len(kinds)} kinds ({', '.join(kinds)}); name one kind by a glob")
    (kind,) = kinds
    if records is not None and kind != "ingest.json":
        raise UsageFault(f"{path}: --records names the array of records inside a JSON file; this is read by {kind}")
    files = tuple(PartFile(name=each.name, path=each.path, digest="") for each in found)
    return DataFile(path=path, stage_name=kind, files=files, records=records, encoding=encoding)


def source_name(path: str) -> str:
    """What ids begin with where no step gives a name: the file's, without its suffixes."""
    name = Path(path.rstrip("/")).name
    return plain_name(name).partition(".")[0] or "rows"


def nested_records(data: DataFile) -> DataFile:
    """The same file, with `records` set where a JSON file is one object whose records lie in an array below.

    Chosen is the deepest array of objects along the way (`data.paragraphs.qas`): its elements carry what stands above.
    """
    if data.stage_name != "ingest.json" or data.records is not None:
        return data
    head = data.head(2)
    if len(head) != 1:
        return data
    steps, here = list[str](), head[0]
    while True:
        inner = [name for name, value in here.items() if isinstance(value, list) and value and _objects(value)]
        # Two arrays side by side, or one of short objects that belong to their record (answers): where to stop is seen
        # by whether the elements hold texts of their own that stand beside no text here.
        if len(inner) != 1 or (steps and _is_whole(here, inner[0])):
            break
        steps.append(inner[0])
        here = here[inner[0]][0]
    return replace(data, records=".".join(steps)) if steps else data


def _objects(value: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in value)


def _is_whole(record: dict[str, Any], inner: str) -> bool:
    """Whether a record with an array of objects in it is itself what an example is about: it has a text and a key."""
    scalars = [name for name, value in record.items() if isinstance(value, str | int)]
    return len(scalars) > 1 or (len(record[inner]) == 1 and bool(scalars))


def _kind(found: Found, encoding: str, records: str | None) -> str:
    name = plain_name(found.name.lower())
    for kind, suffixes in KINDS.items():
        if name.endswith(suffixes):
            by_line = kind == "ingest.json" and records is None and _is_lines(found, encoding)
            return "ingest.jsonl" if by_line else kind
    known = ", ".join(suffix for suffixes in KINDS.values() for suffix in suffixes)
    raise UsageFault(
        f"{found.path}: not a data file of a known kind ({known}); plain texts are read by `ingest.text` in a recipe, "
        "and --rows takes a step of its build"
    )


def _is_lines(found: Found, encoding: str) -> bool:
    """Whether a .json file's first line with anything on it is a whole object, and something follows."""
    whole = False
    file = PartFile(name=found.name, path=found.path, digest="")
    try:
        for line in lines(file, encoding, LONGEST_BYTES):
            if text := line.data.strip():
                if whole:
                    return text.startswith(b"{")
                whole = text.startswith(b"{") and text.endswith(b"}")
                if not whole:
                    return False
    except InputError:
        return False
    return False
