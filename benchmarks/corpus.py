"""The corpus: Python sources and documentation that this machine has anyway, cut into documents.

    standard library, installed packages, /usr/share/doc, /usr/share/man
      └─ files in the order of their names' hashes ─▶ cut at line ends into pieces of about 1.8 kB
           └─▶ the pieces with the smallest content hashes

Choosing by hash of content makes the corpus the same on every run of one machine, even over its files, and each size a
part of the larger ones. License texts and generated code recur in it, so it has near-duplicates as any real corpus has.
"""

from __future__ import annotations

import gzip
import os
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instructkit.hashing import key_of, record_hash

PIECE_CHARACTERS = 1_800
FILE_BYTES = 1 << 18
"""More of one file is not read: no file shall make up a corpus."""
OVERSAMPLING = 2
"""Pieces cut for each one chosen: enough to choose by content, and not every file of the machine has to be read."""
STDLIB = Path(sysconfig.get_paths()["stdlib"])
TEXTS = {".txt", ".md", ".rst", ".html", ".gz", ".1", ".3", ".5", ".7", ".8", ""}
SOURCES = (
    ("library", STDLIB, {".py"}),
    ("packages", Path(sysconfig.get_paths()["purelib"]), {".py"}),
    ("documentation", Path("/usr/share/doc"), TEXTS),
    ("manual", Path("/usr/share/man"), TEXTS),
)
"""(kind, folder, suffixes) of what is read."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A document of the corpus."""

    number: int
    kind: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Pieces in the order of their hashes, so that any head of them is an even sample."""

    pieces: list[Piece]

    def head(self, count: int) -> list[Piece]:
        """The corpus of a size."""
        return self.pieces[:count]

    def described(self) -> str:
        """Kinds, size and content hash, for the page."""
        kinds = Counter(piece.kind for piece in self.pieces)
        total = sum(len(piece.body.encode()) for piece in self.pieces)
        said = ", ".join(f"{count:,} of {kind}" for kind, count in sorted(kinds.items()))
        digest = key_of([piece.body for piece in self.pieces])[:12]
        return f"{len(self.pieces):,} documents, {total / 1e6:.1f} MB of text ({said}); content {digest}"


def make_corpus(count: int) -> Corpus:
    """The corpus of `count` documents, fewer where the machine has too little text."""
    found: dict[str, tuple[str, str, str]] = {}
    for kind, name, path in sorted(_files(), key=lambda file: record_hash(*file[:2])):
        for i, body in enumerate(cut(_read(path))):
            found.setdefault(record_hash(body), (kind, f"{name} ({i + 1})", body))
        if len(found) >= OVERSAMPLING * count:
            break
    chosen = sorted(found.items())[:count]
    return Corpus(pieces=[Piece(number=n, kind=k, title=t, body=b) for n, (_, (k, t, b)) in enumerate(chosen, start=1)])


def cut(text: str) -> Iterator[str]:
    """A text in pieces of about `PIECE_CHARACTERS`, cut at line ends; a last piece of under a third is left out."""
    lines: list[str] = []
    size = 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if size >= PIECE_CHARACTERS:
            yield "".join(lines)
            lines, size = [], 0
    if size >= PIECE_CHARACTERS / 3:
        yield "".join(lines)


def library_sources(total_bytes: int) -> list[tuple[str, bytes]]:
    """Source files of the standard library by name, in the order of their names' hashes, of that size together."""
    files = [(path.relative_to(STDLIB).as_posix(), path) for path in _below(STDLIB, {".py"})]
    chosen: list[tuple[str, bytes]] = []
    for name, path in sorted(files, key=lambda file: record_hash(file[0])):
        if total_bytes <= 0:
            break
        chosen.append((name, path.read_bytes()))
        total_bytes -= len(chosen[-1][1])
    return chosen


def _files() -> Iterator[tuple[str, str, Path]]:
    """(kind, name, path) of each file there is."""
    for kind, base, suffixes in SOURCES:
        yield from ((kind, path.relative_to(base).as_posix(), path) for path in _below(base, suffixes))


def _below(base: Path, suffixes: set[str]) -> Iterator[Path]:
    """Files below a folder; packages installed inside the standard library's are not of it."""
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if name != "site-packages"]
        for name in names:
            if os.path.splitext(name)[1] in suffixes and os.path.isfile(path := os.path.join(folder, name)):
                yield Path(path)


def _read(path: Path) -> str:
    """The head of a file; "" where it is no text."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(FILE_BYTES)
        text = data.decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
    return "" if "\0" in text else text
