"""Files that appear whole or not at all: written beside their place, flushed to the disk, renamed. And locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks, one user at a time
    fcntl = None  # type: ignore[assignment]


@contextmanager
def beside(path: Path, *, flushed: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    `flushed`: not before its bytes are on the disk, so that a power cut leaves the old or the new.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        if flushed:
            put(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def put(temporary: Path, path: Path) -> None:
    """Rename a written file into its place once its bytes are on the disk: a power cut leaves the old or the new."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked_file(path: Path, alone: bool) -> Iterator[None]:
    """Hold a lock that dies with the process: shared, or `alone`. Raises BlockingIOError where it cannot be had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        if fcntl is not None:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
