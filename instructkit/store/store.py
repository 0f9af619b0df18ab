"""The store of a build folder: memoised calls over shards.

    .store/
      calls/3f/3f…json        what a call gave: which shards it kept and dropped, by content hash
      shards/a0/a0…parquet    the bytes, named by their hash; equal results are one file
      tmp/<pid>-<n>           being written

A call's record is written last and renamed into place, so after `kill -9` at any moment a record that exists is whole,
and a shard without a record is litter for `gc`. A shard whose size is not the recorded one (a full disk, a power cut)
counts as missing: its call runs again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from instructkit.errors import StoreError, UsageFault
from instructkit.hashing import file_digest
from instructkit.store.shards import read_shard, write_shard

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_serial = itertools.count()


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
            temporary.replace(path)
        return ref

    def get_shard(self, ref: ShardRef) -> pl.DataFrame:
        """Read a frame. Raises StoreError when it is missing or damaged."""
        if not self._whole(ref):
            raise StoreError(
                f"{self.shard_path(ref)}: missing or not {ref.size_bytes} bytes long; "
                "run the build again, it makes what is missing"
            )
        return read_shard(self.shard_path(ref))

    def put_call(self, record: CallRecord) -> CallRecord:
        """Write a call's record; from now on the call is done."""
        temporary = self._temporary()
        temporary.write_bytes(msgspec.json.encode(record))
        path = self.call_path(record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
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

        Raises UsageFault when `alone` and a build is running.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as lock:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
                except BlockingIOError:
                    raise UsageFault(f"{self.root}: a build is running here; try again when it has ended") from None
            yield

    def sweep(self) -> None:
        """Remove what processes that no longer live were writing."""
        for path in (self.root / "tmp").glob("*"):
            pid = path.name.partition("-")[0]
            # Other names are not ours: file systems keep some of their own beside.
            if pid.isdecimal() and not _alive(int(pid)):
                path.unlink(missing_ok=True)

    def gc(self, keys: Iterable[str], dry_run: bool = False) -> tuple[int, int]:
        """Remove every call not in `keys` and every shard that those do not use; files and bytes removed."""
        kept_calls: set[Path] = set()
        kept_shards: set[Path] = set()
        for key in keys:
            if (record := self.get_call(key)) is not None:
                kept_calls.add(self.call_path(key))
                kept_shards.update(self.shard_path(ref) for ref in (*record.kept, *record.dropped))
        self.sweep()
        files, size_bytes = 0, 0
        # Records first: an interrupted gc leaves shards without a record, never a record without its shards.
        for folder, keep in (("calls", kept_calls), ("shards", kept_shards)):
            for path in sorted((self.root / folder).glob("*/*")):
                if path not in keep:
                    files, size_bytes = files + 1, size_bytes + path.stat().st_size
                    if not dry_run:
                        path.unlink()
        return files, size_bytes

    def _temporary(self) -> Path:
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{next(_serial)}"

    def _whole(self, ref: ShardRef) -> bool:
        try:
            return self.shard_path(ref).stat().st_size == ref.size_bytes
        except FileNotFoundError:
            return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
