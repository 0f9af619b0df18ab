"""Any dataset on this machine, opened by its path alone: its files, their splits, and their rows as they stand.

notes.jsonl  mix.json  table.csv  rows.parquet  squad-test.arrow    a file, packed by gzip or zstd or not
data/**/*.jsonl                                                     a glob
folder/train.jsonl, folder/test/…, folder/data/train-00000-…        a folder, as dataset repositories lay it out
folder/dataset_dict.json, folder/state.json                         what `save_to_disk` wrote
build/mix                                                           a build of ours: what it exported, else its rows

A row belongs to the split that its file's name or folder says (see `split_names`), else to the one in its column
`split`, else to none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from instructkit.errors import InputError
from instructkit.hashing import file_digest
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.arrow import arrow_file_records
from instructkit.stages.ingest.conversations import detect
from instructkit.stages.ingest.csv import IngestCsv
from instructkit.stages.ingest.documents import Bad, Record
from instructkit.stages.ingest.find import WILDCARDS, Found, find_files, plain_name
from instructkit.stages.ingest.json_array import json_records
from instructkit.stages.ingest.jsonl import json_lines
from instructkit.stages.ingest.kinds import (
    ALL_SUFFIXES,
    LONGEST_LINE_BYTES,
    Kind,
    array_paths,
    delimiter_of,
    encoding_of,
    kind_of,
)
from instructkit.stages.ingest.parquet_rows import parquet_records
from instructkit.stages.ingest.split_names import WORDS, in_order, split_of_path, split_word
from instructkit.store.builds import exported_files, exports, is_build, looks_like_build, step_shards

LONGEST_OBJECT_CHARACTERS = 1 << 30
"""Of a JSON file that is one object: it is held whole to find the records in it."""
LONGEST_SPLIT_NAME = 64
SPLIT = "split"
ABOUT = frozenset(
    {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "metadata.json", "package.json"}
)
"""Files of a dataset's folder that tell about it and hold none of its rows."""


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """A file of a dataset, or one of several arrays in it."""

    name: str
    """As a message names it: the path as it was given, and below that the file's own. An absolute path that was given
    is shortened to its last names, so that the name says the same on every machine."""
    path: Path
    kind: Kind
    split: str | None
    """That all its rows belong to; None: each says so itself, or belongs to none."""
    records: str | None = None
    """Of a JSON file: dotted path to its array of records; None: the array at the top, or the file is one record."""
    encoding: str = "utf-8"
    delimiter: str | None = None
    """Of a CSV file, where it is not what its suffix says."""

    @cached_property
    def digest(self) -> str:
        """Content hash. Reads the file when it is first asked for."""
        return file_digest(self.path)


class RawRow(NamedTuple):
    """A row as its file holds it."""

    file: DatasetFile
    line: int | None
    """Of a file of lines or a table of separated values; of other files the row, from 1. None: the file is one row."""
    split: str | None
    value: dict[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be read, and why."""

    file: DatasetFile
    line: int | None
    split: str | None
    """As far as its file says."""
    rule: str
    detail: str
    value: str | None = None
    """Its beginning, where that could be read."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The files of a dataset, in the order of their names."""

    path: str
    """As it was given."""
    files: tuple[DatasetFile, ...]
    step: str | None = None
    """Of a build: the step whose rows these are."""

    @property
    def splits(self) -> list[str]:
        """Splits that files say they are, in the usual order; those that rows say are not known before reading."""
        return in_order(file.split for file in self.files if file.split is not None)

    def rows(self) -> Iterator[RawRow | BadRow]:
        """All rows, file after file, in bounded memory; none is left out in silence.

        Raises InputError for a file that is damaged or is not what its name says.
        """
        for file in self.files:
            yield from file_rows(file)


def open_dataset(path: str, root: Path = Path(), step: str | None = None) -> Dataset:
    """The dataset that lies at `path`, relative to `root`. Files are listed, and looked into no further than their kind
    takes.

    `step`: of a build, the export or step of rows to read; None: the last export, else the last step with rows.
    Raises InputError where nothing is there, a file is of no kind that is read, or a build has no such step.
    """
    place = root / Path(path).expanduser()
    shown = shown_path(path)
    if is_build(place):
        return _build(path, place, shown, step)
    if step is not None:
        raise InputError(f"{path}: `{step}` names a step, which only the folder of a build (with manifest.json) has")
    if (place / "dataset_dict.json").is_file() or (place / "state.json").is_file():
        return Dataset(path=path, files=tuple(_saved(place, shown)))
    if place.is_dir() and (builds := [each.name for each in sorted(place.iterdir()) if looks_like_build(each)]):
        raise InputError(f"{path}: holds builds, not rows; name one: {', '.join(f'{path}/{name}' for name in builds)}")
    found = find_files(path, root, ALL_SUFFIXES)
    if not place.is_file():
        found = [each for each in found if not _is_about(each)]
        if not found:
            raise InputError(f"{path}: holds no rows, only files about a dataset ({', '.join(sorted(ABOUT))})")
    whole = place.is_file()
    above = "" if shown == "." else f"{shown}/"
    files = tuple(file for each in found for file in _opened(each, shown if whole else above + each.name))
    return Dataset(path=path, files=files)


def file_rows(file: DatasetFile) -> Iterator[RawRow | BadRow]:
    """The rows of one file, in order. Raises InputError as `Dataset.rows` does."""
    for record in _records(file):
        if isinstance(record, Bad):
            yield BadRow(file, record.line, file.split, record.rule, record.detail, record.value)
        else:
            yield RawRow(file, record.line, file.split or split_of_row(record.value), record.value)


def split_of_row(value: dict[str, Any]) -> str | None:
    """The split that a row says it belongs to, in its column `split`."""
    said = value.get(SPLIT)
    name = said.strip() if isinstance(said, str) else ""
    return split_word(name) if 0 < len(name) <= LONGEST_SPLIT_NAME else None


def shown_path(given: str) -> str:
    """The part of a path without wildcards as it is shown; of one that holds on this machine only, the last names."""
    parts = Path(given).parts
    parts = parts[: next((i for i, part in enumerate(parts) if WILDCARDS.search(part)), len(parts))]
    if Path(given).is_absolute() or given.startswith("~"):
        parts = parts[-2:] if Path(given).expanduser().is_file() else parts[-1:]
    return "/".join(parts) or "."


def _records(file: DatasetFile) -> Iterator[Record | Bad]:
    # With the name that tells its delimiter: of a table of tabs it is the suffix.
    part = PartFile(name=file.name, path=file.path, digest="")
    if file.kind == "lines":
        return json_lines(part, file.encoding, LONGEST_LINE_BYTES)
    if file.kind == "json":
        return json_records(part, file.encoding, file.records, LONGEST_LINE_BYTES)
    if file.kind == "csv":
        return IngestCsv(path="", encoding=file.encoding, delimiter=file.delimiter)._rows(part)
    if file.kind == "arrow":
        return arrow_file_records(part)
    return parquet_records(part, None, None, None)


def _opened(found: Found, shown: str) -> list[DatasetFile]:
    """A file, or the several arrays of a JSON file that has its splits side by side."""
    encoding = encoding_of(found.path)
    kind = kind_of(found, encoding)
    if kind is None:
        raise InputError(
            f"{found.path}: not a data file of a known kind, by its name or its beginning; expected one that ends in "
            f"{', '.join(ALL_SUFFIXES)} (texts also with .gz, .zst)"
        )
    file = DatasetFile(name=shown, path=found.path, kind=kind, split=split_of_path(found.name), encoding=encoding)
    if kind == "csv":
        return [replace(file, delimiter=delimiter_of(found, encoding))]
    return _arrays(file) if kind == "json" else [file]


def _arrays(file: DatasetFile) -> list[DatasetFile]:
    """A JSON file with the place of its records; of each array a file where they are called as splits are."""
    part = PartFile(name=file.name, path=file.path, digest="")
    two = list(islice(json_records(part, file.encoding, None, LONGEST_OBJECT_CHARACTERS), 2))
    top = two[0] if len(two) == 1 else None
    if not isinstance(top, Record) or top.line == 1 or detect(top.value) is not None:
        return [file]
    arrays = array_paths(top.value)
    if len(arrays) == 1:
        return [replace(file, records=arrays[0], split=file.split or WORDS.get(arrays[0].lower()))]
    if arrays and all(name.lower() in WORDS for name in arrays):
        return [replace(file, records=name, split=split_word(name)) for name in arrays]
    return [file]


def _is_about(found: Found) -> bool:
    name = Path(found.name).name
    # `cache-…` is what `map` and `filter` of `datasets` leave beside the rows that they were made of.
    return name in ABOUT or (name.startswith("cache-") and plain_name(name).endswith(".arrow"))


def _saved(folder: Path, shown: str) -> Iterator[DatasetFile]:
    """The files that `save_to_disk` wrote, of each split."""
    places: list[tuple[str | None, Path]] = [(None, folder)]
    if (folder / "dataset_dict.json").is_file():
        names = _state(folder / "dataset_dict.json")["splits"]
        places = [(name, folder / name) for name in names]
    for split, place in places:
        state = _state(place / "state.json")
        said = split or state.get("_split")
        for entry in state["_data_files"]:
            path = place / entry["filename"]
            if not path.is_file():
                raise InputError(f"{path}: named by {place / 'state.json'}, but not there; save the dataset again")
            name = f"{shown}/{path.relative_to(folder).as_posix()}"
            yield DatasetFile(name=name, path=path, kind="arrow", split=split_word(said) if said else None)


def _state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); save the dataset again") from error
    if not isinstance(state, dict) or not ({"splits", "_data_files"} & state.keys()):
        raise InputError(
            f"{path}: not what save_to_disk writes (no 'splits', no '_data_files'); save the dataset again"
        )
    return state


def _build(given: str, folder: Path, shown: str, step: str | None) -> Dataset:
    written = exports(folder)
    name = step or (written[-1] if written else None)
    if name in written:
        files = []
        for info in exported_files(folder, name):
            path = folder / name / info.name
            kind: Kind = "parquet" if info.name.endswith(".parquet") else "lines"
            # A file's rows have one split, or (where the export calls it so) none.
            split = info.split if split_of_path(info.name) else None
            files.append(DatasetFile(name=f"{shown}/{name}/{info.name}", path=path, kind=kind, split=split))
        return Dataset(path=given, files=tuple(files), step=name)
    chosen, shards = step_shards(folder, name)
    found = [
        DatasetFile(name=f"{shown}/{chosen}[{number}]", path=path, kind="parquet", split=None)
        for number, (path, _) in enumerate(shards, 1)
    ]
    return Dataset(path=given, files=tuple(found), step=chosen)
