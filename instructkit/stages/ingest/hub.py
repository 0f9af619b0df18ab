"""`ingest.hub`: datasets of the Hugging Face hub, and dataset folders on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from instructkit.errors import InputError, did_you_mean
from instructkit.hashing import file_digest
from instructkit.schema import Document, Noun
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.columns import Columns
from instructkit.stages.ingest.documents import Bad, Record, document_outcomes
from instructkit.stages.ingest.find import WILDCARDS, Found
from instructkit.stages.ingest.json_array import content_of
from instructkit.stages.ingest.parquet_rows import BATCH_ROWS, arrow_records, check_columns, jsonable
from instructkit.stages.ingest.parts import whole_file

READER, SAVED, STREAMED = "reader", "save_to_disk", "load_dataset"
COMMIT = "commit"
FULL_COMMIT = re.compile(r"[0-9a-f]{40}")
PLAIN_NAME = re.compile(r"(?!/)(?:(?!\.{1,2}/)[^*?\[\]{}:@/\\]+/)*[^*?\[\]{}:@/\\]+\.\w+")
"""A file's path inside a repository, and surely neither a pattern, a folder nor an address."""


@dataclass(frozen=True, kw_only=True)
class IngestHub:
    """Any source that `datasets.load_dataset` reads, as a stream, and folders that `save_to_disk` wrote.

    Each data file of the split is a part. Give a `revision` (a commit) for a dataset of the hub: without one, a build
    reads what the hub holds on the day, and pins that in its lockfile. A position is a row of the data file.

    What needs the network, for a dataset of the hub: reading a data file that no build has read yet; and in every build
    and `plan`, to ask which commit `revision` stands for, unless it is a full commit hash (40 hexadecimal digits), and
    to list the data files, unless `data_files` names them in full. With both, a build that has been made before is made
    again without a network. A `folder` never needs one.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ("datasets", "pyarrow", "orjson", "xxhash")

    path: str | None = None
    """Name of a dataset on the hub: `rajpurkar/squad`. Either this or `folder`."""
    folder: InputPath | None = None
    """Folder on this machine: written by `save_to_disk`, or holding data files (JSON, CSV, Parquet, Arrow, text) as a
    dataset repository does."""
    name: str | None = None
    """Configuration of the dataset, where it has several."""
    split: str = "train"
    """Split to read. To read several, make several steps."""
    revision: str | None = None
    """Commit, tag or branch on the hub. A commit is strongly recommended: branches move."""
    data_files: str | list[str] | None = None
    """Files or globs inside the dataset that make up the split; default: what the dataset says."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    text: str = "text"
    """Column that holds the text; a dotted path reaches into structs."""
    fields: list[str] | None = None
    """Columns that travel along as fields, dotted paths too; default: all but the text."""
    key: str | None = None
    """Column that identifies the record (text or whole number); a value that stands twice stops the build.
    Without one, ids are made of the record's content."""
    language: str | None = None
    """Column that holds the language's ISO 639-1 code, where the source knows it."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable records that a part may drop before the build stops."""

    def faults(self) -> list[str]:
        """Neither or both of `path` and `folder`, a revision of a folder."""
        faults = []
        if (self.path is None) == (self.folder is None):
            faults.append("give either path (a dataset's name on the hub) or folder (a dataset on this machine)")
        if self.folder is not None and self.revision is not None:
            faults.append("revision: a folder has none; its content is what pins it")
        return faults

    def parts(self, root: Path) -> list[Part]:
        """One part for each data file of the split, pinned by content (folders) or commit (hub).

        Raises InputError where the dataset, the configuration or the split is not there, or the hub is not.
        """
        if self.folder is None:
            return self._hub_parts()
        folder = root / Path(self.folder).expanduser()
        if not folder.is_dir():
            raise InputError(f"folder: {self.folder} is no folder ({folder})")
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            return self._saved_parts(folder)
        if WILDCARDS.search(str(folder)):
            raise InputError(
                f"{folder}: `datasets` takes the characters *, ? and [ in the path of a folder for wildcards, and "
                "would look elsewhere; rename what holds them, or read the files by ingest.jsonl or the like"
            )
        # A dataset's card may say how its files are read (delimiters, types of columns), so it is part of the key.
        readme = folder / "README.md"
        card = (("card", file_digest(readme)),) if readme.is_file() else ()
        parts = []
        for address in self._files_of(str(folder), None):
            path = Path(address)
            inside = path.resolve().relative_to(folder.resolve()).as_posix()
            file = whole_file(Found(inside, path, path.stat().st_size))
            parts.append(Part(name=inside, files=(file,), options=((READER, STREAMED), *card)))
        return parts

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's rows as documents."""
        options = dict(part.options)
        fields = None if self.fields is None else tuple(self.fields)
        columns = Columns(text=self.text, fields=fields, key=self.key, language=self.language)
        (file,) = part.files
        if options[READER] == SAVED:
            records: Iterator[Record | Bad] = _arrow_rows(file, self.text)
        else:
            records = self._streamed(file, options.get(COMMIT))
        return document_outcomes(
            records, source=self.source, columns=columns, part=part, max_bad_lines=self.max_bad_lines
        )

    def _streamed(self, file: PartFile, commit: str | None) -> Iterator[Record]:
        """The rows of one data file, read as its dataset says (delimiters, types of columns)."""
        from datasets import load_dataset

        where = self.path or str(file.path)[: -len(file.name)]
        address = escape(file.name if self.path else str(file.path))  # `datasets` takes every address for a pattern
        row = 0
        try:
            stream = load_dataset(
                where, self.name, split=self.split, data_files={self.split: [address]}, revision=commit, streaming=True
            )
            for row, values in enumerate(stream, 1):
                value = {str(name): jsonable(item) for name, item in values.items()}
                yield Record(file, row, content_of(value, repr(value).encode("utf-8", "backslashreplace")), value)
        except InputError:
            raise
        except Exception as error:  # each file format of `datasets` fails in its own way
            raise InputError(
                f"{where}: {file.name}: cannot be read on after row {row:,}: {error}. {WAY_OUT}"
            ) from error

    def _saved_parts(self, folder: Path) -> list[Part]:
        place = folder
        if (folder / "dataset_dict.json").is_file():
            splits = json.loads((folder / "dataset_dict.json").read_text())["splits"]
            if self.split not in splits:
                raise InputError(_no_split(str(folder), self.split, splits))
            place = folder / self.split
        state = json.loads((place / "state.json").read_text())
        parts = []
        for entry in state["_data_files"]:
            path = place / entry["filename"]
            if not path.is_file():
                raise InputError(f"{path}: named by {place / 'state.json'}, but not there; save the dataset again")
            inside = path.relative_to(folder).as_posix()
            found = Found(inside, path, path.stat().st_size)
            parts.append(Part(name=inside, files=(whole_file(found),), options=((READER, SAVED),)))
        return parts

    def _hub_parts(self) -> list[Part]:
        assert self.path is not None
        fixed = self.revision if self.revision and FULL_COMMIT.fullmatch(self.revision) else None
        commit = fixed or _commit(self.path, self.revision)
        named = [self.data_files] if isinstance(self.data_files, str) else self.data_files or []
        # Files of a commit that are named in full need no listing; where one is not there, reading it says so.
        if fixed and named and all(PLAIN_NAME.fullmatch(name) for name in named):
            files = named
        else:
            files = [file.partition("@")[2].partition("/")[2] or file for file in self._files_of(self.path, commit)]
        parts = []
        for inside in files:
            # The commit stands for the content; the file's place in the repository for its name.
            file = PartFile(name=inside, path=Path(inside), digest=commit)
            options = ((READER, STREAMED), ("dataset", self.path), (COMMIT, commit))
            parts.append(Part(name=f"{self.path}: {inside}", files=(file,), options=options))
        return parts

    def _files_of(self, path: str, commit: str | None) -> list[str]:
        """The addresses of the split's data files, in order."""
        from datasets import load_dataset_builder

        files = None if self.data_files is None else {self.split: self.data_files}
        try:
            builder = load_dataset_builder(path, self.name, revision=commit, data_files=files)
        except Exception as error:  # no network has as many names as there are layers below
            raise InputError(f"{path}: cannot be opened as a dataset: {error}. {WAY_OUT}") from error
        found: Any = builder.config.data_files
        if not found:
            raise InputError(f"{path}: '{builder.name}' names no data files, so it cannot be read in parts. {WAY_OUT}")
        if self.split not in found:
            raise InputError(_no_split(path, self.split, found))
        return [str(address) for address in found[self.split]]


WAY_OUT = (
    "Check name, configuration and revision; without a network, download the dataset where there is one "
    "(`hf download --repo-type dataset NAME --local-dir DIR`) and give that as folder"
)


def _no_split(where: str, split: str, known: Any) -> str:
    names = [str(name) for name in known]
    return f"{where}: no split '{split}'{did_you_mean(split, names)} (splits found: {', '.join(names) or 'none'})"


def _commit(path: str, revision: str | None) -> str:
    """The commit that a revision of a dataset on the hub stands for now."""
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(path, revision=revision).sha
    except Exception as error:  # no network has as many names as there are layers below
        raise InputError(f"{path}: the hub does not answer for this dataset: {error}. {WAY_OUT}") from error
    if commit is None:
        raise InputError(f"{path}: the hub names no commit for revision {revision}")
    return commit


def _arrow_rows(file: PartFile, text: str) -> Iterator[Record | Bad]:
    import pyarrow as pa

    row = 1
    try:
        with pa.memory_map(str(file.path)) as mapped, pa.ipc.open_stream(mapped) as batches:
            check_columns(file.path, batches.schema.names, {"text": text})
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    piece = batch.slice(start, BATCH_ROWS)
                    yield from arrow_records(file, piece, row, text)
                    row += piece.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{file.path}: cannot be read on after row {row - 1:,}: {error}; save the dataset again"
        ) from error
