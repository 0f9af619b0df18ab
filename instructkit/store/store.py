"""The store of a build folder: memoised calls over shards.

    .store/
      calls/3f/3f…json        what a call gave: which shards it kept and dropped, by content hash
      shards/a0/a0…parquet    the bytes, named by their hash; equal results are one file
      tmp/<pid>-<n>           being written

A call's record is written last and renamed into place, so after `kill -9` at any moment a record that exists is whole,
and a shard without a record is litter for `gc`. Bytes are flushed before they are renamed; a shard that is shorter than
recorded or does not end as a Parquet file counts as missing, and its call runs again.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from instructkit.errors import StoreError, UsageFault
from instructkit.hashing import file_digest
from instructkit.store.atomic import locked_file, put
from instructkit.store.shards import read_shard, write_shard

_serial = itertools.count()
PARQUET_END = b"PAR1"
TEMPORARY = re.compile(r"\d+-\d+")


class ShardRef(msgspec.Struct, frozen=True, kw_only=True):
    """A shard in the store."""

    digest: str
    """Content hash of the file."""
    rows: int
    size_bytes: int


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gave. Nothing in it depends on when, where or how fast it ran."""

    key: str
    kept: list[ShardRef]
    dropped: list[ShardRef]


class Store:
    """Calls by key, shards by content."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def shard_path(self, ref: ShardRef) -> Path:
        """Where a shard lies."""
        return self.root / "shards" / ref.digest[:2] / f"{ref.digest}.parquet"

    def call_path(self, key: str) -> Path:
        """Where a call's record lies."""
        return self.root / "calls" / key[:2] / f"{key}.json"

    def put_shard(self, shard: pl.DataFrame) -> ShardRef:
        """Write a frame; a frame that is there already is not written again."""
        temporary = self._temporary()
        write_shard(shard, temporary)
        ref = ShardRef(digest=file_digest(temporary), rows=shard.height, size_bytes=temporary.stat().st_size)
        path = self.shard_path(ref)
        if self._whole(ref):
            temporary.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            put(temporary, path)
        return ref

    def get_shard(self, ref: ShardRef) -> pl.DataFrame:
        """Read a frame. Raises StoreError when it is missing or damaged."""
        (path,) = self.paths([ref])
        try:
            return read_shard(path)
        except pl.exceptions.PolarsError as error:
            raise StoreError(f"{path}: damaged ({error}); remove the file and run the build again") from error

    def paths(self, refs: Sequence[ShardRef]) -> list[Path]:
        """Where shards lie. Raises StoreError when one is missing or damaged."""
        for ref in refs:
            if not self._whole(ref):
                raise StoreError(
                    f"{self.shard_path(ref)}: missing, or not the {ref.size_bytes} bytes that were written; "
                    "run the build again, it makes what is missing"
                )
        return [self.shard_path(ref) for ref in refs]

    def put_call(self, record: CallRecord) -> CallRecord:
        """Write a call's record; from now on the call is done."""
        temporary = self._temporary()
        temporary.write_bytes(msgspec.json.encode(record))
        path = self.call_path(record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(temporary, path)
        return record

    def get_call(self, key: str) -> CallRecord | None:
        """What a call gave, or None when it has not run or one of its shards is gone."""
        try:
            record = msgspec.json.decode(self.call_path(key).read_bytes(), type=CallRecord)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return record if all(self._whole(ref) for ref in (*record.kept, *record.dropped)) else None

    @contextmanager
    def held(self, alone: bool = False) -> Iterator[None]:
        """Keep `gc` away while a build runs, and builds while `gc` does (`alone`); the lock dies with the process.

        Raises UsageFault when the other is at work.
        """
        try:
            with locked_file(self.root / "lock", alone):
                yield
        except BlockingIOError:
            who = "a build is running" if alone else "`gc` is at work"
            raise UsageFault(f"{self.root}: {who} here; try again when it has ended") from None

    def sweep(self) -> None:
        """Remove what killed processes were writing; where another build runs, leave it to the next one."""
        try:
            with self.held(alone=True):
                self._remove_temporaries()
        except UsageFault:
            return

    def gc(self, keys: Iterable[str], dry_run: bool = False) -> tuple[int, int]:
        """Remove every call not in `keys` and every shard that those do not use; files and bytes removed.

        To be called while the store is held alone.
        """
        kept_calls: set[Path] = set()
        kept_shards: set[Path] = set()
        for key in keys:
            if (record := self.get_call(key)) is not None:
                kept_calls.add(self.call_path(key))
                kept_shards.update(self.shard_path(ref) for ref in (*record.kept, *record.dropped))
        self._remove_temporaries()
        files, size_bytes = 0, 0
        # Records first: an interrupted gc leaves shards without a record, never a record without its shards.
        for folder, keep in (("calls", kept_calls), ("shards", kept_shards)):
            for path in sorted((self.root / folder).glob("*/*")):
                if path not in keep:
                    files, size_bytes = files + 1, size_bytes + path.stat().st_size
                    if not dry_run:
                        path.unlink()
        return files, size_bytes

    def _remove_temporaries(self) -> None:
        for path in (self.root / "tmp").glob("*"):
            # Other names are not ours: file systems keep some of their own beside.
            if TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _temporary(self) -> Path:
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{next(_serial)}"

    def _whole(self, ref: ShardRef) -> bool:
        """Whether the file is there, as long as it was, and ends as a Parquet file does, which zeros do not."""
        try:
            with self.shard_path(ref).open("rb") as file:
                file.seek(-len(PARQUET_END), os.SEEK_END)
                return file.read() == PARQUET_END and file.tell() == ref.size_bytes
        except OSError:
            return False
