"""What a data file is: told by its name, and by its first bytes where the name does not say.

.jsonl .ndjson .jsonlines    lines      .csv .tsv .tab    csv      .arrow .feather    arrow
.json                        json       .parquet          parquet
each of the text formats also as .gz and .zst; a .json file that holds one object a line is lines
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from instructkit.errors import InputError
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest import csv, jsonl, parquet
from instructkit.stages.ingest import json as json_files
from instructkit.stages.ingest.blocks import WIDE_BOMS, DamagedError, blocks, lines
from instructkit.stages.ingest.find import Found, plain_name

Kind = Literal["lines", "json", "csv", "parquet", "arrow"]

SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "lines": jsonl.SUFFIXES,
    "json": json_files.SUFFIXES,
    "csv": csv.SUFFIXES,
    "parquet": parquet.SUFFIXES,
    "arrow": (".arrow", ".feather"),
}
ALL_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
LONGEST_LINE_BYTES = 64 << 20
LOOKED_AT_BYTES = 64 << 10
ARROW_FILE, ARROW_STREAM = b"ARROW1", b"\xff\xff\xff\xff"


def kind_by_name(name: str) -> Kind | None:
    """The kind that a suffix stands for; None for a suffix of none."""
    plain = plain_name(name.lower())
    return next((kind for kind, suffixes in SUFFIXES.items() if plain.endswith(suffixes)), None)


def kind_of(found: Found, encoding: str = "utf-8", *, nested: bool = False) -> Kind | None:
    """The kind of a file, by its suffix or else by how it begins; None where neither tells.

    `nested`: a .json file is known to be one value, so it is not looked at for lines.
    """
    kind = kind_by_name(found.name) or _by_content(found.path)
    if kind == "json" and not nested and is_lines(found, encoding):
        return "lines"
    return kind


def is_lines(found: Found, encoding: str) -> bool:
    """Whether a file's first line with anything on it is a whole object, and another object follows."""
    whole = False
    file = PartFile(name=found.name, path=found.path, digest="")
    try:
        for line in lines(file, encoding, LONGEST_LINE_BYTES):
            if text := line.data.strip():
                if whole:
                    return text.startswith(b"{")
                whole = text.startswith(b"{") and text.endswith(b"}")
                if not whole:
                    return False
    except InputError:
        return False
    return False


def encoding_of(path: Path) -> str:
    """`utf-16` or `utf-32` where a file begins with such a byte order mark, else `utf-8`."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for mark, name in WIDE_BOMS.items() if start.startswith(mark)), "utf-8")


def delimiter_of(found: Found, encoding: str) -> str | None:
    """What parts the cells of a table of separated values, where its header tells: a semicolon or a tab in a file that
    is called .csv, as spreadsheets of many countries write it. None: what the suffix says.
    """
    file = PartFile(name=found.name, path=found.path, digest="")
    header = next((line.data for line in lines(file, encoding, LONGEST_LINE_BYTES) if line.data.strip()), b"")
    if b"," in header or plain_name(found.name.lower()).endswith(csv.TABBED):
        return None
    return next((mark for mark in (";", "\t") if mark.encode() in header), None)


def array_paths(top: dict[str, Any]) -> list[str]:
    """Dotted paths to the arrays of objects below the only object of a JSON file; [] where there are none.

    Several where they lie side by side, as in {train: [...], test: [...]}. Else the deepest one on the way
    (`data.paragraphs.qas`): its elements carry what stands above.
    """
    steps, here = list[str](), top
    while True:
        inner = [name for name, value in here.items() if _records(value)]
        if not steps and len(inner) > 1:
            return inner
        # Two arrays side by side, or one of short objects that belong to their record (answers): where to stop is seen
        # by whether the elements hold texts of their own that stand beside no text here.
        if len(inner) != 1 or (steps and _is_whole(here, inner[0])):
            return [".".join(steps)] if steps else []
        steps.append(inner[0])
        here = here[inner[0]][0]


def _records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_whole(record: dict[str, Any], inner: str) -> bool:
    """Whether a record with an array of objects in it is itself what an example is about: it has a text and a key."""
    scalars = [name for name, value in record.items() if isinstance(value, str | int)]
    return len(scalars) > 1 or (len(record[inner]) == 1 and bool(scalars))


def _by_content(path: Path) -> Kind | None:
    """By the first bytes: the magic of Parquet and Arrow, or a bracket of JSON."""
    try:
        start = next(blocks(PartFile(name=path.name, path=path, digest="")), b"")[:LOOKED_AT_BYTES]
    except DamagedError:
        return None
    except InputError:  # a Parquet file is refused there by its magic
        with path.open("rb") as file:
            return "parquet" if file.read(4) == b"PAR1" else None
    if start.startswith((ARROW_FILE, ARROW_STREAM)):
        return "arrow"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "json" if text.startswith((b"[", b"{")) else None
