"""`ingest.python`: the documented functions, classes and methods of Python code."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from instructkit.errors import InputError, did_you_mean
from instructkit.hashing import canonical_json, record_hash
from instructkit.schema import Document, Drop, Noun, Origin
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.blocks import whole
from instructkit.stages.ingest.documents import is_clean
from instructkit.stages.ingest.find import Found, find_files, plain_name, walk
from instructkit.stages.ingest.parts import file_parts
from instructkit.stages.ingest.python_source import BrokenSourceError, decode_source, documented
from instructkit.stages.ingest.shards import outcomes

STDLIB = "stdlib"
SUFFIXES = (".py",)
TESTS = (
    "test/*",
    "*/test/*",
    "tests/*",
    "*/tests/*",
    "*/idle_test/*",
    "test_*.py",
    "*/test_*.py",
    "*_test.py",
    "conftest.py",
    "*/conftest.py",
    "*/site-packages/*",
)
MAX_FILE_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class IngestPython:
    """Documented code, read from source and never run: one document per function, class or method with a docstring.

    The text is the definition's full source with its decorators, moved to the left margin. Fields: `module`,
    `qualname`, `name`, `kind` (function, class, method), `signature`, `docstring`, `summary` (the docstring's first
    paragraph on one line), `body` (the source without the docstring) and `decorators`. A file that cannot be
    decoded or parsed is dropped, with its line.

    An id is made of the file's path and the qualified name, and of an ordinal where a file defines a name several
    times (overloads, definitions under `if`); editing a function keeps its id.

    A class and its methods share one `group`, the hash of the class's source: the text of one holds the others, so no
    split may part them.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Document
    packages: ClassVar[tuple[str, ...]] = ()

    modules: list[str] | None = None
    """Importable modules or packages, by top-level name, found where this Python finds them and never imported.
    `stdlib` stands for the standard library."""
    path: InputPath | list[InputPath] | None = None
    """Folders, files or globs of source code; modules in a package are named by it, wherever the path begins."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    exclude: list[str] = field(default_factory=lambda: list(TESTS))
    """Files to leave out, by patterns over their path (`*` matches `/` too). Default: tests and site-packages."""
    private: bool = False
    """Also definitions whose name, or whose class's name, starts with one underscore."""

    def faults(self) -> list[str]:
        """Neither or both of `modules` and `path`."""
        if (self.modules is None) == (self.path is None):
            return ["give either modules (importable, such as [stdlib]) or path (folders of source)"]
        return []

    def parts(self, root: Path) -> list[Part]:
        """Buckets of source files. Options name the Python version: signatures are written by its `ast`."""
        files = self._files(root)
        kept = [found for found in files if not any(fnmatchcase(found.name, pattern) for pattern in self.exclude)]
        if not kept:
            raise InputError(f"all {len(files)} files of the source match `exclude`; the first is {files[0].name}")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return file_parts(kept, options=(("python", version),))

    def read(self, part: Part) -> Iterator[Outcome]:
        """The documented definitions of the part's files."""
        return outcomes(Document, (row for file in part.files for row in self._rows(file)))

    def _rows(self, file: PartFile) -> Iterator[Document | Drop]:
        module, defined = module_name(file.name), dict[str, int]()
        try:
            data = whole(file, MAX_FILE_BYTES)
            if data is None:
                raise BrokenSourceError("file_too_large", None, f"more than {MAX_FILE_BYTES:,} bytes")
            found = list(documented(decode_source(data), private=self.private))
        except BrokenSourceError as error:
            yield Drop(origin=Origin(file=file.name, line=error.line), rule=error.rule, detail=str(error))
            return
        for item in found:
            ordinal = defined[item.qualname] = defined.get(item.qualname, 0) + 1
            document_id = f"{self.source}-{file.name}:{item.qualname}" + (f"~{ordinal}" if ordinal > 1 else "")
            origin = Origin(file=file.name, line=item.line)
            values = {k: v for k, v in asdict(item).items() if k not in ("line", "source", "outermost")}
            fields = {"module": module, "name": item.qualname.rpartition(".")[2], **values}
            if not is_clean(item.source + item.docstring):
                detail = "the docstring holds half of a surrogate pair, which is not Unicode text"
                yield Drop(id=document_id, origin=origin, rule="lone_surrogate", detail=detail)
                continue
            assert self.source is not None, "the runner sets source to the step's name"
            yield Document(
                id=document_id,
                source=self.source,
                origin=origin,
                text=item.source,
                fields=canonical_json(fields),
                group=record_hash(item.outermost),
            )

    def _files(self, root: Path) -> list[Found]:
        if self.path is not None:
            return find_files(self.path, root, SUFFIXES, _in_package)
        files: dict[str, Found] = {}
        for module in self.modules or []:
            for place in _standard_library() if module == STDLIB else _places(module):
                files.update((found.name, found) for found in (_below(place) if place.is_dir() else [_single(place)]))
        if not files:
            raise InputError("modules: an empty list names nothing to read; give [stdlib], or names of packages")
        return sorted(files.values())


def module_name(name: str) -> str:
    """The dotted name of the module in a file: `src/pkg/mod.py` is `pkg.mod`, `pkg/__init__.py` is `pkg`."""
    parts = plain_name(name).removesuffix(".py").split("/")
    if parts[0] == "src" and len(parts) > 1:
        del parts[0]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _single(path: Path) -> Found:
    return Found(path.name, path, path.stat().st_size)


def _below(folder: Path) -> list[Found]:
    """Python files below a folder; where the folder is a package, names begin with the package's own."""
    prefix = _package(folder)
    files = [Found(prefix + name, path, path.stat().st_size) for name, path in walk(folder) if name.endswith(SUFFIXES)]
    if not files:
        raise InputError(f"{folder}: no file below it ends in .py")
    return sorted(files)


def _in_package(name: str, file: Path) -> str:
    """The name of a file, led by the packages that the folder it was found from lies in."""
    return _package(file.parents[name.count("/")]) + name


def _package(folder: Path) -> str:
    """`pkg/sub/` for the folder of the package `pkg.sub`, "" for a folder that is no package."""
    prefix, above = "", folder.resolve()
    while (above / "__init__.py").is_file():
        prefix, above = f"{above.name}/{prefix}", above.parent
    return prefix


def _standard_library() -> list[Path]:
    base = Path(sysconfig.get_paths()["stdlib"])
    places = [place for name in sorted(sys.stdlib_module_names) for place in (base / name, base / f"{name}.py")]
    there = [place for place in places if place.is_file() or (place / "__init__.py").is_file()]
    if not there:
        raise InputError(f"{base}: this Python carries no source of its standard library")
    return there


def _places(module: str) -> list[Path]:
    """The file or folders of a top-level module, without importing it."""
    if not module.isidentifier():
        raise InputError(f"modules: '{module}' is no top-level module; give the package's name alone")
    if module in sys.stdlib_module_names:
        found = [place for place in _standard_library() if place.stem == module]
        if found:
            return found
    try:
        spec = find_spec(module)
    except ValueError:
        spec = None
    if spec is None:
        raise InputError(
            f"modules: no module '{module}' is installed here{did_you_mean(module, sys.stdlib_module_names)}; install "
            "it into this environment, or give the folder of its source as path"
        )
    if spec.submodule_search_locations:
        return [Path(place) for place in spec.submodule_search_locations]
    if not spec.origin or not spec.origin.endswith(SUFFIXES):
        raise InputError(f"modules: '{module}' has no Python source ({spec.origin})")
    return [Path(spec.origin)]
