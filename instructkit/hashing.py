"""Hashes: content and keys (BLAKE2b), records (XXH3), and randomness that depends on nothing but its subject.

Two functions, two jobs. Files and keys pin what a build is made of and go into lockfiles: BLAKE2b, 128 bits,
which nobody can collide on purpose. Records are hashed by the million: XXH3, 128 bits, ten times as fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import orjson
import xxhash

DIGEST_BYTES = 16
READ_BYTES = 1 << 20
JOINT = "+"
"""Stands between the atoms of a joint group."""


def canonical_json(value: object) -> str:
    """JSON text that is equal for equal values: keys sorted, no spaces, UTF-8.

    Raises TypeError for what JSON cannot hold (sets, objects, integers beyond 64 bits).
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def key_of(value: object) -> str:
    """Key of a JSON-like value: 32 hexadecimal digits of BLAKE2b over its canonical JSON."""
    return blake2b(canonical_json(value).encode(), digest_size=DIGEST_BYTES).hexdigest()


def bytes_digest(data: bytes | memoryview) -> str:
    """Content hash of bytes: 32 hexadecimal digits of BLAKE2b."""
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def file_digest(path: Path) -> str:
    """Content hash of a file, read in blocks of 1 MiB. Raises OSError."""
    state = blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            state.update(block)
    return state.hexdigest()


def path_digest(path: Path) -> str:
    """Content hash of a file, or of a folder: the names and contents of all files below it."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return key_of([[p.relative_to(path).as_posix(), file_digest(p)] for p in files])
    return file_digest(path)


def record_hash(*parts: str) -> str:
    """Hash of a record: 32 hexadecimal digits of XXH3-128 over its parts, which cannot run into one another."""
    state = xxhash.xxh3_128()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def json_hash(value: object, *parts: str) -> str:
    """`record_hash` of a value's canonical JSON and of parts, without a text in between. Raises TypeError."""
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if parts:
        return record_hash(data.decode(), *parts)
    return xxhash.xxh3_128_hexdigest(len(data).to_bytes(8, "little") + data)


def json_hashes(values: Iterable[object]) -> list[str]:
    """`json_hash` of each value; one is done with before the next is asked for."""
    dump, digest, sort = orjson.dumps, xxhash.xxh3_128_hexdigest, orjson.OPT_SORT_KEYS
    return [digest(len(data := dump(value, option=sort)).to_bytes(8, "little") + data) for value in values]


def text_hashes(texts: Iterable[str]) -> list[str]:
    """`record_hash` of each text."""
    return [record_hash(text) for text in texts]


def group_atoms(group: str) -> list[str]:
    """The groups that a group is made of, in order: itself, unless it is a joint one."""
    return group.split(JOINT)


def joint_group(groups: Iterable[str]) -> str:
    """The group of what is made of several documents: the distinct atoms of their groups, sorted, joined by `+`.

    An atom is a hash, so it has no `+`. Of one that had, the parts would count as atoms: more than is needed would lie
    together, never less. Raises ValueError for no group at all.
    """
    atoms = sorted({atom for group in groups for atom in group_atoms(group)})
    if not atoms:
        raise ValueError("a joint group is made of one group at least")
    return JOINT.join(atoms)


def uniform(seed: int, *about: str) -> float:
    """A number in [0, 1), even over subjects, that depends on the seed and the subject only.

    The only randomness in a build: the order and number of shards and workers cannot change it.
    """
    state = xxhash.xxh3_64()
    state.update(canonical_json([seed, *about]).encode())
    return (state.intdigest() >> 11) / (1 << 53)
