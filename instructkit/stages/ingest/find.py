"""From the paths of a recipe to the files behind them: names, globs, folders, compressed files.

    path: data/news.jsonl       one file; its name inside the source is `news.jsonl`
    path: data/**/*.jsonl       a glob; names are relative to `data`, the part without wildcards
    path: data                  a folder, with all below it; names are relative to it
    path: [data/a, data/b]      several of these

Names decide ids, so two files of one source never share a name, and compressing a file changes none: `a.jsonl.gz` is
called `a.jsonl` wherever an id is made of it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from instructkit.errors import InputError, did_you_mean

COMPRESSED = (".gz", ".zst")
WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True, order=True)
class Found:
    """A file of a source; `name` is its path inside the source, with forward slashes.

    Raises InputError for a name that is not UTF-8: it is written into ids and origins, which are text.
    """

    name: str
    path: Path
    size: int

    def __post_init__(self) -> None:
        try:
            self.name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(self.path).decode("utf-8", "backslashreplace")
            raise InputError(
                f"{shown}: the name is not UTF-8, and ids are made of names; rename the file or folder (`convmv -t "
                "utf-8` renames many), or give a path that leaves it out"
            ) from None


def plain_name(name: str) -> str:
    """The name without `.gz` or `.zst`: what ids are made of, so that compressing a file keeps them."""
    return name.removesuffix(".gz").removesuffix(".zst")


def listed(path: str | list[str]) -> list[str]:
    """A field that takes one path or several, as a list."""
    return [path] if isinstance(path, str) else list(path)


def find_files(
    path: str | list[str],
    root: Path,
    suffixes: tuple[str, ...],
    called: Callable[[str, Path], str] = lambda name, file: name,
) -> list[Found]:
    """The files that `path` names, relative to `root`, sorted by name; never empty.

    `called` gives a file's name inside the source, from its name relative to the folder that was given and its path.

    A folder gives its files with one of `suffixes`, compressed or not; a glob gives what it matches, whatever the
    suffix. Hidden files and folders are left out unless named. A link to a folder is followed once, and a file that is
    reached in two ways is read once. Raises InputError where a path gives no file, or two files would share a name.
    """
    by_file: dict[str, Found] = {}
    for pattern in listed(path):
        for name, file in _expand(pattern, root, suffixes):
            by_file.setdefault(os.path.realpath(file), Found(called(name, file), file, file.stat().st_size))
    if not by_file:
        raise InputError("path: an empty list names no file; give at least one file, folder or glob")
    by_name: dict[str, Found] = {}
    for found in sorted(by_file.values()):
        other = by_name.setdefault(plain_name(found.name), found)
        if other is not found:
            raise InputError(
                f"{other.path} and {found.path} would both be called '{plain_name(found.name)}' in this source, and "
                "their records' ids could not be told apart; read them by one glob or folder above both, remove one "
                "if they hold the same, or make two steps"
            )
    return list(by_name.values())


def _expand(pattern: str, root: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    full = root / Path(pattern).expanduser()
    if full.is_file():
        yield full.name, full
    elif full.is_dir():
        yield from _folder(full, pattern, suffixes)
    elif WILDCARDS.search(pattern):
        yield from _glob(root, pattern)
    else:
        parent = full.parent
        near = [p.name for p in parent.iterdir()] if parent.is_dir() else []
        hint = did_you_mean(full.name, near) if near else f"; there is no folder {parent}"
        raise InputError(f"{pattern}: no such file or folder ({full}){hint}")


def _folder(folder: Path, pattern: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    names = [(name, path) for name, path in walk(folder)]
    wanted = [(name, path) for name, path in names if plain_name(name.lower()).endswith(suffixes)]
    if not wanted:
        there = Counter(Path(name).suffix or "no suffix" for name, _ in names).most_common(5)
        held = ", ".join(f"{count} with {suffix}" for suffix, count in there) or "no files at all"
        raise InputError(
            f"{pattern}: no file ends in {', '.join(suffixes)} (or these with .gz, .zst); the folder holds {held}. "
            f"Name the files by a glob ({pattern.rstrip('/')}/**/*.suffix) to read them whatever their suffix"
        )
    yield from wanted


def _glob(root: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    # Wildcards are looked for in the pattern alone: the folder of the project or of the user may be called `data[1]`.
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if WILDCARDS.search(part))
    base, segments = root / Path(*parts[:first]).expanduser(), parts[first:]
    depth = None if "**" in segments else len(segments)
    matches = re.compile("".join(_segment(s, last=i == len(segments) - 1) for i, s in enumerate(segments))).fullmatch
    hidden = any(segment.startswith(".") for segment in segments)
    found = [(name, path) for name, path in walk(base, hidden=hidden, depth=depth) if matches(name)]
    if not found:
        raise InputError(f"{pattern}: matches no file below {base}; check the pattern (** stands for any folders)")
    yield from found


def _segment(segment: str, *, last: bool) -> str:
    """One segment of a glob as a regular expression; `*` does not reach across `/` nor match a leading dot."""
    if segment == "**":
        return r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else "")
    body, at = "", 0
    while at < len(segment):
        end = segment.find("]", at + 2) if segment[at] == "[" else -1
        if end > 0:
            inner = segment[at + 1 : end].replace("\\", r"\\")
            body += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            at = end
        else:
            body += {"*": "[^/]*", "?": "[^/]"}.get(segment[at]) or re.escape(segment[at])
        at += 1
    return ("" if segment.startswith(".") else r"(?!\.)") + body + ("" if last else "/")


def walk(
    folder: Path, *, hidden: bool = False, depth: int | None = None, _name: str = "", _seen: set[str] | None = None
) -> Iterator[tuple[str, Path]]:
    """Files below a folder as (name relative to it, path): each real folder once, its own folders before links."""
    seen = set() if _seen is None else _seen
    seen.add(os.path.realpath(folder))
    try:
        entries = sorted(os.scandir(folder), key=lambda e: (e.is_symlink(), e.name))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})") from error
    for entry in entries:
        if entry.name.startswith(".") and not hidden:
            continue
        if entry.is_file():
            yield _name + entry.name, Path(entry.path)
        elif entry.is_dir() and (depth is None or depth > 1) and os.path.realpath(entry.path) not in seen:
            below = None if depth is None else depth - 1
            yield from walk(Path(entry.path), hidden=hidden, depth=below, _name=f"{_name}{entry.name}/", _seen=seen)
