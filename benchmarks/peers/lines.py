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


def shingles(text: str) -> set[str]:
    """Runs of 5 words of the lower-cased text; of a shorter text, all of it."""
    words = text.lower().split()
    return {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))}
