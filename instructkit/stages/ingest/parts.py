"""From files to parts: ranges of large line-oriented files, large files whole, small files in buckets.

    news.jsonl, 150 MiB   ├──── 64 MiB ───┤──── 64 MiB ───┤─ rest ─┤   cut after the first line end past 64 MiB
    a.md b.md c.md ...    bucket 0: a c    bucket 1: b ...             by hash of the name, 2^n buckets

What a later part holds never changes an earlier one: a file that grows re-reads its last range, a new small file
re-reads one bucket (until the number of buckets doubles, which re-reads them all once).

**Equal lines in one large file.** Ids of records without a key hold an ordinal among equal records of their file, and
ids know nothing of ranges. So the listing, which streams the file for its digests anyway, also hashes each line and
tells each range which of its lines stood in earlier ranges, and how often (option `seen`; mostly empty). Cost: 16 bytes
of memory a line while listing and about 0.3 µs a line, for files in several ranges and without a key only.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
import xxhash

from instructkit.errors import InputError
from instructkit.hashing import DIGEST_BYTES, file_digest, record_hash
from instructkit.stages.contract import Part, PartFile
from instructkit.stages.ingest import limits
from instructkit.stages.ingest.blocks import GZIP, UTF8_BOM, ZSTD, is_wide
from instructkit.stages.ingest.find import Found, plain_name

SEEN = "seen"
LINE_SPACE = b" \t\r\n"
"""What is stripped from a line before it is compared with others: what JSON takes for space."""


def equal_hash(content: bytes) -> int:
    """Hash by which records of one file count as equal: 64 bits of XXH3."""
    return xxhash.xxh3_64_intdigest(content)


@dataclass
class _Range:
    start: int
    first_line: int
    end: int = 0
    digest: str = ""
    hashes: array[int] = field(default_factory=lambda: array("Q"))


def file_parts(files: Iterable[Found], options: tuple[tuple[str, str], ...] = ()) -> list[Part]:
    """Parts of files that are read whole: a part for each large one, then the buckets of small ones."""
    return _parts(list(files), options, cut=None)


def line_parts(files: Iterable[Found], *, encoding: str, max_line_bytes: int, count_equals: bool) -> list[Part]:
    """Parts of line-oriented files; `count_equals` where ids need an ordinal. Wide encodings cannot be cut at lines."""
    if is_wide(encoding):
        return file_parts(files)
    return _parts(list(files), (), cut=lambda path: _cut(path, count_equals, max_line_bytes))


def _parts(
    files: list[Found], options: tuple[tuple[str, str], ...], cut: Callable[[Path], list[_Range]] | None
) -> list[Part]:
    parts, small = list[Part](), list[Found]()
    for found in files:
        if found.size <= limits.SMALL_FILE_BYTES and found.size <= limits.PART_BYTES:
            small.append(found)
        elif cut and found.size > limits.PART_BYTES and not _is_compressed(found.path):
            parts += _ranges(found, cut)
        else:
            parts.append(Part(name=found.name, files=(whole_file(found),), options=options))
    return parts + _buckets(small, options)


def whole_file(found: Found) -> PartFile:
    """A file as one piece of a part. Raises InputError where it cannot be read."""
    try:
        return PartFile(name=found.name, path=found.path, digest=file_digest(found.path))
    except OSError as error:
        raise InputError(f"{found.path}: cannot be read ({error.strerror or error})") from error


def _buckets(files: list[Found], options: tuple[tuple[str, str], ...]) -> list[Part]:
    size = sum(found.size for found in files)
    count = 1
    while count * limits.BUCKET_BYTES < size or count * limits.BUCKET_FILES < len(files):
        count *= 2
    buckets: dict[int, list[Found]] = {}
    for found in files:
        buckets.setdefault(int(record_hash(plain_name(found.name))[:8], 16) % count, []).append(found)
    parts = []
    for bucket, members in sorted(buckets.items()):
        first = members[0].name
        name = first if len(members) == 1 else f"{first} and {len(members) - 1} more"
        label = name if count == 1 else f"{name} (bucket {bucket + 1} of {count})"
        parts.append(Part(name=label, files=tuple(whole_file(found) for found in members), options=options))
    return parts


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith((GZIP, ZSTD))


def _ranges(found: Found, cut: Callable[[Path], list[_Range]]) -> list[Part]:
    try:
        ranges = cut(found.path)
    except OSError as error:
        raise InputError(f"{found.path}: cannot be read ({error.strerror or error})") from error
    parts = []
    for number, (piece, seen) in enumerate(zip(ranges, _seen_before(ranges), strict=True), 1):
        file = PartFile(
            name=found.name,
            path=found.path,
            digest=piece.digest,
            start=piece.start,
            end=piece.end,
            first_line=piece.first_line,
        )
        options = ((SEEN, seen),) if seen else ()
        parts.append(Part(name=f"{found.name} ({number} of {len(ranges)})", files=(file,), options=options))
    return parts


def _cut(path: Path, count_equals: bool, max_line_bytes: int) -> list[_Range]:
    """The file's ranges: each ends after the first line end at or past `PART_BYTES` from its start."""
    ranges, current = list[_Range](), _Range(start=0, first_line=1)
    state, position, line = blake2b(digest_size=DIGEST_BYTES), 0, 1
    hashes = _LineHashes(max_line_bytes) if count_equals else None
    with path.open("rb") as file:
        while block := file.read(limits.READ_BYTES):
            while block:
                end = block.find(b"\n", max(current.start + limits.PART_BYTES - position - 1, 0))
                piece, block = (block, b"") if end < 0 else (block[: end + 1], block[end + 1 :])
                state.update(piece)
                line += piece.count(b"\n")
                if hashes:
                    hashes.feed(piece.removeprefix(UTF8_BOM) if position == 0 else piece, current.hashes)
                position += len(piece)
                if end >= 0:
                    current.end, current.digest = position, state.hexdigest()
                    ranges.append(current)
                    current, state = _Range(start=position, first_line=line), blake2b(digest_size=DIGEST_BYTES)
    if position > current.start or not ranges:
        if hashes:
            hashes.close(current.hashes)
        current.end, current.digest = position, state.hexdigest()
        ranges.append(current)
    return ranges


class _LineHashes:
    """Hashes of lines that come in pieces; lines that reading will drop for their length are not held."""

    def __init__(self, max_line_bytes: int) -> None:
        self.max, self.held, self.size = max_line_bytes, list[bytes](), 0

    def feed(self, piece: bytes, into: array[int]) -> None:
        first, *rest = piece.split(b"\n")
        self.size += len(first)
        if self.size <= self.max:
            self.held.append(first)
        if rest:
            self.close(into)
            *whole, last = rest
            into.extend(equal_hash(text) for raw in whole if (text := raw.strip(LINE_SPACE)))
            self.held, self.size = [last], len(last)

    def close(self, into: array[int]) -> None:
        """Hashes the line that is open."""
        if self.size <= self.max and (text := b"".join(self.held).strip(LINE_SPACE)):
            into.append(equal_hash(text))
        self.held, self.size = [], 0


def _seen_before(ranges: list[_Range]) -> list[str]:
    """For each range, as JSON text, how often its lines stood in earlier ranges: [[hash, count], ...]; "" for none."""
    everything = np.concatenate([np.frombuffer(piece.hashes, dtype=np.uint64) for piece in ranges])
    everything.sort()
    repeated = np.unique(everything[1:][everything[1:] == everything[:-1]])
    result, counts = list[str](), Counter[int]()
    for piece in ranges:
        hashes = np.frombuffer(piece.hashes, dtype=np.uint64)
        here = Counter(hashes[np.isin(hashes, repeated)].tolist())
        before = [[value, counts[value]] for value in sorted(here) if counts[value]]
        result.append(json.dumps(before, separators=(",", ":")) if before else "")
        counts.update(here)
    return result


def seen_before(part: Part) -> dict[int, int]:
    """How often each line of the part stood in earlier ranges of its file, by `equal_hash`."""
    text = dict(part.options).get(SEEN)
    return dict(json.loads(text)) if text else {}
