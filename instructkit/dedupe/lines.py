"""A file of lines in blocks of whole lines, each read where it ends: nothing is copied to be put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from instructkit.errors import InputError
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.blocks import GZIP, NOT_READ, UTF8_BOM, WIDE_BOMS, ZSTD, DamagedError, blocks

TAIL_BYTES = 1 << 16
"""How much is looked at for the end of a block's last line at first."""


def whole_lines(path: Path, at_once: int, sizes: Sequence[int] = ()) -> Iterator[bytes]:
    """Blocks of about `at_once` bytes, or one line; unpacked where the file is .gz or .zst by its first bytes.

    A byte order mark is left out. `sizes` of the blocks, where they are known from an earlier time.

    Raises InputError for a file that cannot be read, is damaged, or is no UTF-8 by its byte order mark.
    """
    try:
        with FileIO(path) as raw:
            head = raw.read(6) or b""
            _check_encoding(path, head)
            if not head.startswith((GZIP, ZSTD, *NOT_READ)):
                start = len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0
                yield from _read(raw, start, sizes) if sizes else _cut(raw, start, at_once)
                return
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    yield from _unpacked(path, at_once)


def _check_encoding(path: Path, head: bytes) -> None:
    if wide := next((name for bom, name in WIDE_BOMS.items() if head.startswith(bom)), None):
        raise InputError(f"{path}: starts with the byte order mark of {wide}, expected UTF-8; convert it")


def _read(raw: FileIO, start: int, sizes: Sequence[int]) -> Iterator[bytes]:
    for size in sizes:
        yield _at(raw, start, size)
        start += size


def _cut(raw: FileIO, start: int, at_once: int) -> Iterator[bytes]:
    end = raw.seek(0, 2)
    while start < end:
        stop = _line_end(raw, start, start + at_once, end)
        yield _at(raw, start, stop - start)
        start = stop


def _line_end(raw: FileIO, start: int, near: int, end: int) -> int:
    """Where a line ends: the last between `start` and `near`, else the first behind, else the end of the file."""
    if near >= end:
        return end
    behind = near
    while behind > start:
        before = max(behind - TAIL_BYTES, start)
        found = _at(raw, before, behind - before).rfind(b"\n")
        if found >= 0:
            return before + found + 1
        behind = before
    while near < end:
        piece = _at(raw, near, min(TAIL_BYTES, end - near))
        found = piece.find(b"\n")
        if found >= 0:
            return near + found + 1
        near += len(piece) or end
    return end


def _at(raw: FileIO, start: int, size: int) -> bytes:
    """The bytes from `start`; fewer where the file has become shorter."""
    raw.seek(start)
    data = raw.read(size) or b""
    while len(data) < size and (more := raw.read(size - len(data))):
        data += more  # a raw file may give less than it is asked for, 2 GB for one
    return data


def _unpacked(path: Path, at_once: int) -> Iterator[bytes]:
    held: list[bytes | memoryview] = []
    size = 0
    at_start = True
    try:
        for piece in blocks(PartFile(name=path.name, path=path, digest="")):
            if at_start:
                _check_encoding(path, piece)
                piece = piece.removeprefix(UTF8_BOM)
                at_start = False
            cut = piece.rfind(b"\n") + 1
            size += len(piece)
            if cut == 0 or size < at_once:
                held.append(piece)
                continue
            view = memoryview(piece)
            yield b"".join([*held, view[:cut]])
            held, size = [view[cut:]], len(piece) - cut
    except DamagedError as error:
        raise InputError(f"{path}: {error}; fetch it again") from error
    if data := b"".join(held):
        yield data
