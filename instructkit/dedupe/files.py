"""Which files are read and which are written, settled before any work.

a.jsonl b.jsonl  out.jsonl      several inputs into one file
corpus/  out/                   a file for each input, called as in its folder
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instructkit.dedupe.rows import Source, Writer
from instructkit.errors import InputError, UsageFault
from instructkit.stages.ingest.find import find_files, plain_name

LINES = (".jsonl", ".ndjson", ".jsonlines")
TABLES = (".parquet",)
PACKED = (".gz", ".zst")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Files to read in order, and where the rows of each go."""

    sources: list[Source]
    targets: list[Path]
    """Of each source; several may share one."""
    clusters: Path | None


def plan(inputs: Sequence[str], out: str, clusters: Path | None, *, force: bool) -> Plan:
    """Find the inputs and name the outputs. Raises UsageFault, or InputError for a file that is not what it is called.

    An input is a file, a folder or a glob, and `out` a file, or a folder where it is one or ends in a slash. With
    `force` existing outputs are replaced, but never an input.
    """
    names, paths = _found(inputs)
    place = Path(out).expanduser()
    if out.endswith(("/", os.sep)) or place.is_dir():
        targets = [place / name for name in names]
        made_of: dict[Path, Path] = {}
        for path, target in zip(paths, targets, strict=True):
            if (other := made_of.setdefault(target, path)) != path:
                raise UsageFault(f"{target}: would be made of {other} and of {path}; give a folder above both")
    else:
        targets = [place] * len(paths)
    sources = [_source(path) for path in paths]
    for source, target in zip(sources, targets, strict=True):
        _check_kinds(source.path, target)
    if clusters is not None and clusters.suffix.lower() not in (".jsonl", ".parquet"):
        raise UsageFault(f"--clusters {clusters}: expected a name that ends in .jsonl or .parquet")
    _check_places([*dict.fromkeys(targets), *([clusters] if clusters else [])], paths, force)
    _check_schemas(sources, targets)
    return Plan(sources=sources, targets=targets, clusters=clusters)


def kind_of(path: Path) -> str:
    """The suffix that tells the format, in lower case: `.jsonl` of `a.JSONL.gz`."""
    return Path(plain_name(path.name.lower())).suffix


def open_writer(source: Source, target: Path, path: Path) -> Writer:
    """Begin a file like `source` at `path`, which is to lie at `target`."""
    if kind_of(source.path) in TABLES:
        from instructkit.dedupe.parquet import ParquetTable, TableWriter

        assert isinstance(source, ParquetTable)
        return TableWriter(path, source.schema, source.compression)
    from instructkit.dedupe.jsonl import LineWriter

    return LineWriter(path, target.suffix.lower())


def _found(inputs: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Names within what was given, and paths: in the order given, each file once."""
    found: dict[str, tuple[str, Path]] = {}
    for given in inputs:
        if (path := Path(given).expanduser()).exists() and not path.is_file() and not path.is_dir():
            raise UsageFault(f"{given}: is a pipe or device, expected a file; rows are read three times")
        try:
            for each in find_files(given, Path(), LINES + TABLES):
                found.setdefault(os.path.realpath(each.path), (each.name, each.path))
        except InputError as error:
            raise UsageFault(str(error)) from error
    return [name for name, _ in found.values()], [path for _, path in found.values()]


def _source(path: Path) -> Source:
    if kind_of(path) in TABLES:
        from instructkit.dedupe.parquet import ParquetTable

        return ParquetTable(path)
    from instructkit.dedupe.jsonl import JsonLines

    return JsonLines(path)


def _check_kinds(path: Path, target: Path) -> None:
    one, other = kind_of(path), kind_of(target)
    known = f"{', '.join(LINES)} (.gz and .zst too) or {', '.join(TABLES)}"
    if one not in (*LINES, ".json", *TABLES):
        raise UsageFault(f"{path}: '{one or path.name}' is not read here, expected {known}")
    if (one in TABLES) == (other in TABLES) and other in (*LINES, ".json", *TABLES):
        if other in TABLES and target.suffix.lower() in PACKED:
            raise UsageFault(f"{target}: Parquet is packed inside; leave {target.suffix} out")
        return
    if other not in (*LINES, ".json", *TABLES):
        raise UsageFault(
            f"{target}: expected a name that ends in {known}, or for a file of each input a folder (`{target}/`)"
        )
    raise UsageFault(
        f"{path} and {target}: rows are written in the format they came in, {one} to {other} could change them; "
        f"write {one} and convert that, or give a folder as OUT"
    )


def _check_places(targets: Sequence[Path], inputs: Sequence[Path], force: bool) -> None:
    read = {os.path.realpath(path) for path in inputs}
    seen: set[str] = set()
    for target in targets:
        real = os.path.realpath(target)
        if real in read:
            raise UsageFault(f"{target}: is an input too; write to another file, look at it, then replace the input")
        if real in seen:
            raise UsageFault(f"{target}: cannot hold both the rows and the clusters; give two names")
        seen.add(real)
        if target.exists() and not target.is_file():
            raise UsageFault(f"{target}: exists and is no file")
        if target.exists() and not force:
            raise UsageFault(f"{target}: exists already; --force replaces it")


def _check_schemas(sources: Sequence[Source], targets: Sequence[Path]) -> None:
    """Tables that go into one file must have the same columns."""
    first: dict[Path, Source] = {}
    for source, target in zip(sources, targets, strict=True):
        if kind_of(source.path) not in TABLES:
            continue
        from instructkit.dedupe.parquet import ParquetTable

        other = first.setdefault(target, source)
        assert isinstance(source, ParquetTable)
        assert isinstance(other, ParquetTable)
        if not source.schema.equals(other.schema):
            unlike = sorted(
                {f"{f.name}: {f.type}" for f in source.schema} ^ {f"{f.name}: {f.type}" for f in other.schema}
            )
            raise UsageFault(
                f"{source.path} and {other.path}: cannot go into one file, their columns differ "
                f"({', '.join(unlike) or 'in their order'}); give a folder as OUT (`{target.with_suffix('')}/`) to "
                "keep them apart"
            )
