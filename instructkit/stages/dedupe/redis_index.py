"""A reference's LSH index on a Redis server: datasketch's `MinHashLSH`, which several machines and programs may share.

    texts of a file that is not there yet ──signatures──▶ MinHashLSH    once, then the file's digest is noted
    texts of the corpus ──signatures──▶ buckets ──▶ rows of the reference that share a bucket with one of them

Only those rows are read again, and the engine decides among them as it would among all: a row that shares no bucket
with the corpus is compared with nobody anyway. So the result is the same, and neither time nor memory grows with the
rest of the reference. Signatures are those of scheme affine32 over `Sketcher.signatures`; keys are `digest:row`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import polars as pl

from instructkit.errors import InputError
from instructkit.minhash.sketcher import Sketcher
from instructkit.minhash.threads import in_threads
from instructkit.stages.dedupe.reference import Numbers
from instructkit.stages.dedupe.reference_rows import ReferenceRows
from instructkit.stages.dedupe.sketched import MOST_TEXTS, SketchedCorpus

COMMANDS_AT_ONCE = 10_000
"""Commands that go to the server together."""
TIMEOUT_S = 10.0
"""Until a server that does not answer is given up."""


def sharing_a_band(
    url: str, settings: str, sketcher: Sketcher, reference: ReferenceRows, corpus: SketchedCorpus
) -> list[Numbers]:
    """Of each file of the reference the rows (from 0, sorted) that share a band with some text of the corpus.

    `settings` names what signatures are made with; files that are not yet on the server are put there first.

    Raises InputError where the package or the server is missing.
    """
    with _server(url) as redis:
        lsh = _index(url, settings, sketcher)
        done = f"{_name(settings)}_files"
        for number, file in enumerate(reference.files):
            member = f"{file.digest}/{file.kind}"
            if not redis.sismember(done, member):
                _insert(lsh, member, sketcher, reference.chunks(number))
                redis.sadd(done, member)
        keys = _found(lsh, sketcher, corpus)
    rows: dict[str, list[int]] = {}
    for key in keys:
        digest, _, row = key.decode().rpartition(":")
        rows.setdefault(digest, []).append(int(row))
    return [np.array(sorted(rows.get(f"{f.digest}/{f.kind}", ())), dtype=np.int64) for f in reference.files]


def _name(settings: str) -> str:
    return f"instructkit_{settings}"


def _index(url: str, settings: str, sketcher: Sketcher) -> Any:
    from datasketch import MinHashLSH

    # Not pickled: what a server sends is never run.
    config = {
        "type": "redis",
        "basename": _name(settings).encode(),
        "redis": _connection(url),
        "redis_buffer": {"transaction": False},
    }
    count = sketcher.bands * sketcher.rows
    lsh = MinHashLSH(num_perm=count, params=(sketcher.bands, sketcher.rows), storage_config=config, prepickle=False)
    lsh.buffer_size = COMMANDS_AT_ONCE
    return lsh


def _insert(lsh: Any, member: str, sketcher: Sketcher, chunks: Iterator[pl.Series]) -> None:
    """Put a file's rows into the index. A row that an interrupted build had put there already stays one row."""
    from datasketch import LeanMinHash

    with lsh.insertion_session(buffer_size=COMMANDS_AT_ONCE) as session:
        row = 0
        for texts, signatures in in_threads(lambda texts: (texts, sketcher.signatures(texts)), chunks):
            for absent, minima in zip(texts.is_null(), signatures, strict=True):
                if not absent:
                    sketch = LeanMinHash(seed=sketcher.seed, hashvalues=minima, scheme="affine32")
                    session.insert(f"{member}:{row}".encode(), sketch, check_duplication=False)
                row += 1


def _found(lsh: Any, sketcher: Sketcher, corpus: SketchedCorpus) -> set[bytes]:
    """Keys in the buckets of the corpus's texts. A bucket is asked for once a chunk, and a chunk's in one go."""
    texts = corpus.texts(np.arange(len(corpus.order)))
    keys: set[bytes] = set()
    for signatures in in_threads(lambda chunk: sketcher.signatures(chunk["text"]), texts):
        for (start, end), table in zip(lsh.hashranges, lsh.hashtables, strict=True):
            # As MinHashLSH writes a band's minima: big endian, one after the other.
            buckets = np.unique(signatures[:, start:end], axis=0).astype(">u4")
            for some in np.array_split(buckets, len(buckets) // MOST_TEXTS + 1):
                if len(some):
                    keys.update(*table.getmany(*(bucket.tobytes() for bucket in some)))
    return keys


def _connection(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    said = {
        "host": parts.hostname or "localhost",
        "port": parts.port or 6379,
        "db": int(parts.path.strip("/") or 0),
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "ssl": parts.scheme == "rediss",
        "socket_connect_timeout": TIMEOUT_S,
    }
    return {name: value for name, value in said.items() if value is not None}


@contextmanager
def _server(url: str) -> Iterator[Any]:
    """A connection that has answered. Raises InputError where there is none, or it breaks off."""
    if find_spec("redis") is None:
        raise InputError(
            "index: a Redis server needs the package redis; `pip install 'instructkit[index]'`, or name a folder"
        )
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    said = _connection(url)
    where = f"{said['host']}:{said['port']}"
    try:
        with redis.Redis(**said, retry=Retry(NoBackoff(), 0)) as server:
            server.ping()
            yield server
    except redis.RedisError as error:
        raise InputError(
            f"index: the Redis server at {where} (database {said['db']}) does not answer: {error}. Start it, correct "
            "the address, or name a folder; what was put there stays, and the next build goes on from it"
        ) from error
