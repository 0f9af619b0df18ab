"""Who takes part: instructkit, other libraries in environments of their own, and merely reading and writing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import ROOT
from benchmarks.whole import COMMAND
from instructkit.hashing import key_of

PEERS = ROOT / "benchmarks" / "peers"
FLOOR = "import sys, polars; polars.read_ndjson(sys.argv[1]).write_ndjson(sys.argv[2])"

Words = list[str | Path]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One that takes part."""

    name: str
    cut: str | None
    """Its way to cut words, a key of `truth.CUTS`; None for one that drops nothing."""
    command: Callable[[Path, Path, float], Words]
    """(in, out, threshold) to the words of the command line."""
    heeds_threshold: bool = True
    """False for one that does the same at any threshold; it runs once for all of them."""
    largest: int | None = None
    """Documents beyond which it is not measured."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another library."""

    name: str
    cut: str
    requires: tuple[str, ...]
    """What is installed, with versions."""
    heeds_threshold: bool = True
    largest: int | None = None

    @property
    def script(self) -> Path:
        """The program that uses it."""
        return PEERS / f"with_{self.name}.py"


OTHERS = (
    Peer(
        name="datasketch",
        cut="white space",
        requires=("datasketch==2.0.0", "numpy==2.4.6", "orjson==3.13.0"),
        heeds_threshold=False,
    ),
    Peer(name="gaoya", cut="gaoya", requires=("gaoya==0.2.2", "orjson==3.13.0")),
    Peer(name="rensa", cut="white space", requires=("rensa==0.5.0", "orjson==3.13.0")),
    Peer(
        name="daft",
        cut="white space",
        requires=("daft==0.7.26", "pyarrow==25.0.1", "orjson==3.13.0"),
        heeds_threshold=False,
    ),
    # A chain of four programs with their own files and logs; larger sizes would take most of the time of all.
    # xxhash 4 takes no text, and regex and tokenizers are imported without being required.
    Peer(
        name="datatrove",
        cut="white space",
        requires=(
            *("datatrove==0.10.1", "orjson==3.13.0", "xxhash==3.8.2", "regex==2026.11.15", "tokenizers==0.23.3"),
            *("numpy==2.4.6", "huggingface_hub==2.4.0", "dill==0.4.1", "multiprocess==0.70.19"),
        ),
        heeds_threshold=False,
        largest=12_000,
    ),
)
READ_AND_WRITE = Tool(
    name="read and write",
    cut=None,
    command=lambda source, target, _: [sys.executable, "-c", FLOOR, source, target],
    heeds_threshold=False,
)
OURS = Tool(
    name="instructkit",
    cut="instructkit",
    command=lambda source, target, threshold: [
        sys.executable,
        *("-c", COMMAND, "dedupe", source, target, "--threshold", f"{threshold:g}"),
        *("--clusters", target.with_suffix(".clusters.parquet")),
    ],
)


def peer_tool(peer: Peer, environments: Path) -> Tool:
    """The library, installed into an environment of its own on first use.

    Raises OSError or subprocess.CalledProcessError where it cannot be installed: no wheel for this machine, no network.
    """
    python = environment(peer.name, peer.requires, environments)
    return Tool(
        name=peer.name,
        cut=peer.cut,
        command=lambda source, target, threshold: [
            *(python, peer.script, source, target, "--threshold", f"{threshold:g}")
        ],
        heeds_threshold=peer.heeds_threshold,
        largest=peer.largest,
    )


def environment(name: str, requires: Sequence[str], folder: Path) -> Path:
    """The interpreter of an environment with these packages."""
    place = folder / f"{name}-{key_of(list(requires))[:8]}"
    python = place / "bin" / "python"
    ready = place / ".ready"
    if not ready.exists():
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        pip: Words = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ]
        subprocess.run([*pip, *requires], check=True, capture_output=True)
        ready.touch()
    return python
