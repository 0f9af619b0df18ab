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

from instructkit.errors import UsageFault
from instructkit.stages.contract import Outcome, Part, PartFile
from instructkit.stages.ingest import csv, jsonl
from instructkit.stages.ingest.documents import Bad, Record
from instructkit.stages.ingest.find import Found, find_files, plain_name
from instructkit.stages.ingest.json_array import json_records
from instructkit.stages.ingest.kinds import SUFFIXES, Kind, array_paths, kind_by_name, kind_of
from instructkit.stages.ingest.parquet_rows import parquet_records
from instructkit.stages.table import stage_class

STAGES: dict[Kind, str] = {
    "lines": "ingest.jsonl",
    "json": "ingest.json",
    "csv": "ingest.csv",
    "parquet": "ingest.parquet",
}
KINDS = {stage: SUFFIXES[kind] for kind, stage in STAGES.items()}
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

    Chosen is the deepest array of objects on the way (`data.paragraphs.qas`): its elements carry what stands above.
    """
    if data.stage_name != "ingest.json" or data.records is not None:
        return data
    head = data.head(2)
    if len(head) != 1:
        return data
    arrays = array_paths(head[0])
    return replace(data, records=arrays[0]) if len(arrays) == 1 else data


def _kind(found: Found, encoding: str, records: str | None) -> str:
    kind = kind_of(found, encoding, nested=records is not None) if kind_by_name(found.name) else None
    if kind is None or kind not in STAGES:
        known = ", ".join(suffix for suffixes in KINDS.values() for suffix in suffixes)
        raise UsageFault(
            f"{found.path}: not a data file of a known kind ({known}); plain texts are read by `ingest.text` in a "
            "recipe, and --rows takes a step of its build"
        )
    return STAGES[kind]
