"""Bytes and lines of a part's files: decompressed as they stream, bounded in memory, damage named with its place."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import zstandard

from instructkit.errors import InputError
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest import limits

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
NOT_READ = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ": "an xz file",
    b"BZh9": "a bzip2 file",
    b"PAR1": "a Parquet file",
}
UTF8_BOM = codecs.BOM_UTF8
WIDE_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LONGEST_ZSTD_WINDOW = 1 << 31


class Line(NamedTuple):
    """A line without its end; `data` is empty where `size` is above the limit it was read with."""

    number: int
    data: bytes
    size: int


class DamagedError(Exception):
    """A compressed file that stops early or does not decompress; the message says which."""


def is_wide(encoding: str) -> bool:
    """Whether a line end is more than one byte in this encoding, so that bytes cannot be cut at line ends."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def line_encoding(encoding: str) -> str:
    """The encoding of `Line.data`: wide encodings are turned into UTF-8 on the way, the others are left alone."""
    return "utf-8" if is_wide(encoding) else codecs.lookup(encoding).name


def encoding_faults(encoding: str) -> list[str]:
    """A message for the recipe's author where Python knows no such encoding."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        return [f"encoding: '{encoding}' is not known; expected utf-8, utf-16, latin-1, gb18030, cp1252, ..."]
    return []


def blocks(file: PartFile) -> Iterator[bytes]:
    """The file's bytes in its range, decompressed (by its first bytes, whatever its suffix) as they stream.

    Raises DamagedError for a truncated or corrupt gzip or zstd file, InputError where the file cannot be read.
    """
    try:
        with file.path.open("rb") as raw:
            start = raw.read(6)
            raw.seek(file.start)
            if file.start == 0 and start.startswith(GZIP):
                yield from _gzip(raw)
            elif file.start == 0 and start.startswith(ZSTD):
                yield from _zstd(raw)
            else:
                for magic, what in NOT_READ.items():
                    if file.start == 0 and start.startswith(magic):
                        raise InputError(
                            f"{file.path}: is {what}, which this stage does not read; unpack it, or use its stage"
                        )
                left = None if file.end is None else file.end - file.start
                while block := raw.read(limits.READ_BYTES if left is None else min(limits.READ_BYTES, left)):
                    left = None if left is None else left - len(block)
                    yield block
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read ({error.strerror or error})") from error


def _gzip(raw: object) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=raw) as unpacked:  # type: ignore[call-overload]
            # Not read(): at a break it throws away what it had unpacked of its block.
            while block := unpacked.read1(limits.READ_BYTES):
                yield block
    except EOFError as error:
        raise DamagedError("the gzip file is truncated") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"the gzip file is damaged ({error})") from error


def _zstd(raw: object) -> Iterator[bytes]:
    # Not stream_reader: at the end of a truncated file it returns what it has, and says nothing.
    unpacker = zstandard.ZstdDecompressor(max_window_size=LONGEST_ZSTD_WINDOW)
    frame, began = unpacker.decompressobj(), False
    try:
        while packed := raw.read(limits.ZSTD_READ_BYTES):  # type: ignore[attr-defined]
            while packed:
                began = True
                if block := frame.decompress(packed):
                    yield block
                packed = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, began = unpacker.decompressobj(), False
    except zstandard.ZstdError as error:
        raise DamagedError(f"the zstd file is damaged ({error})") from error
    if began:
        raise DamagedError("the zstd file is truncated")


def text_blocks(file: PartFile, encoding: str) -> Iterator[bytes]:
    """`blocks` without a UTF-8 byte order mark, wide encodings turned into UTF-8.

    Raises InputError for a UTF-16 or UTF-32 byte order mark where `encoding` is another, and for wide text that
    cannot be decoded: after a broken pair of bytes nobody knows where the next character starts.
    """
    if is_wide(encoding):
        decoder, position = codecs.getincrementaldecoder(encoding)(), 0
        try:
            for block in blocks(file):
                yield decoder.decode(block).encode()
                position += len(block)
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError as error:
            raise InputError(
                f"{file.path}: not {encoding} after byte {position:,} ({error}); set encoding to what it is"
            ) from error
        return
    at_start = file.start == 0
    for block in blocks(file):
        if at_start:
            wide = next((name for bom, name in WIDE_BOMS.items() if block.startswith(bom)), None)
            if wide:
                raise InputError(
                    f"{file.path}: starts with the byte order mark of {wide}, expected {encoding}; set encoding: {wide}"
                )
            block = block.removeprefix(UTF8_BOM)
            at_start = False
        yield block


def lines(file: PartFile, encoding: str, max_line_bytes: int) -> Iterator[Line]:
    """The file's lines, cut at line feeds only (never at U+2028 and the like), empty ones included.

    A line above `max_line_bytes` is counted, not held. Raises InputError for a truncated file, with the number of
    whole lines before the break: rows before it would look like a complete file.
    """
    number, held, size = file.first_line, list[bytes](), 0
    try:
        for block in text_blocks(file, encoding):
            first, *others = block.split(b"\n")
            size += len(first)
            if size <= max_line_bytes:
                held.append(first)
            if not others:
                continue
            yield Line(number, b"".join(held) if size <= max_line_bytes else b"", size)
            *whole, last = others
            for data in whole:
                number += 1
                yield Line(number, data if len(data) <= max_line_bytes else b"", len(data))
            number += 1
            size = len(last)
            held = [last] if size <= max_line_bytes else []
            if size > max_line_bytes:
                held = []
        if size:
            yield Line(number, b"".join(held) if size <= max_line_bytes else b"", size)
    except DamagedError as error:
        raise InputError(
            f"{file.path}: {error} after line {number - 1:,}; fetch it again, or unpack what is left of it into a new "
            "file and read that"
        ) from error


def whole(file: PartFile, max_bytes: int) -> bytes | None:
    """All bytes of the file, decompressed; None where they are more than `max_bytes`."""
    held, size = list[bytes](), 0
    try:
        for block in blocks(file):
            size += len(block)
            if size > max_bytes:
                return None
            held.append(block)
    except DamagedError as error:
        raise InputError(f"{file.path}: {error} after {size:,} unpacked bytes; fetch it again") from error
    return b"".join(held)
