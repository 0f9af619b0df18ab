"""What the programs share: their command line, reading and writing."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import orjson


def arguments() -> tuple[Path, Path, float]:
    """(in, out, threshold) of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--threshold", type=float, default=0.8)
    given = parser.parse_args()
    return given.source, given.target, given.threshold


def read(path: Path) -> tuple[list[bytes], list[str]]:
    """(lines, the text of each)."""
    lines = path.read_bytes().splitlines(keepends=True)
    return lines, [orjson.loads(line)["text"] for line in lines]


def write(path: Path, lines: Iterable[bytes], keep: Iterable[bool]) -> None:
    """The kept lines, as they were."""
    with path.open("wb") as file:
        file.writelines(line for line, kept in zip(lines, keep, strict=True) if kept)


def shingles(text: str) -> list[str]:
    """Runs of 5 words of the lower-cased text; of a shorter text, all of it.

    The quickest way that Python has. A run that recurs stands there again, which changes no minimum.
    """
    words = text.lower().split()
    return list(map(" ".join, zip(*(words[i:] for i in range(5)), strict=False))) or [" ".join(words)]


def encoded_shingles(text: str) -> list[bytes]:
    """The same as bytes, encoded before they are joined: five times fewer."""
    words = " ".join(text.lower().split()).encode().split(b" ")
    return list(map(b" ".join, zip(*(words[i:] for i in range(5)), strict=False))) or [b" ".join(words)]
