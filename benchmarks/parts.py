"""docs/benchmarks.md is made in parts, each by a command of its own; writing one leaves the others as they are."""

from __future__ import annotations

from pathlib import Path

ORDER = ("stages", "render", "dedupe", "decontaminate", "splits", "audit", "train", "scale")
"""Of the parts on the page."""
HEAD = """# Benchmarks

What each stage costs; how rendering, removing near-duplicates, decontamination and training compare; what leaks when
real sets are divided at random. Measured by `make bench`, never by hand.
"""


def put(page: Path, name: str, text: str) -> None:
    """Write one part of a page that may not be there yet; `text` is Markdown from level 2 down."""
    parts = read(page.read_text(encoding="utf-8")) if page.exists() else {}
    parts[name] = text.strip("\n")
    blocks = [f"{_mark(n)}\n\n{parts[n]}\n" for n in ORDER if n in parts]
    page.write_text("\n".join([HEAD, *blocks]), encoding="utf-8")


def read(page: str) -> dict[str, str]:
    """The parts of a page by name."""
    found = sorted((page.index(_mark(name)), name) for name in ORDER if _mark(name) in page)
    ends = [start for start, _ in found[1:]] + [len(page)]
    return {
        name: page[start + len(_mark(name)) : end].strip("\n") for (start, name), end in zip(found, ends, strict=True)
    }


def _mark(name: str) -> str:
    return f"<!-- part: {name} -->"
