"""`python -m benchmarks.train`: training beside transformers.Trainer and TRL, for docs/benchmarks.md."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import click
import msgspec

from benchmarks.corpus import make_corpus
from benchmarks.parts import put
from benchmarks.process import ROOT, run
from benchmarks.train.overhead import Overhead
from benchmarks.train.page import Trained, part
from benchmarks.train.project import SHAPES, Chats, read_chats, write_projects
from benchmarks.train.tokens import Timed
from benchmarks.train.ways import TRL_VERSION, WAYS, Took

PAGE = ROOT / "docs" / "benchmarks.md"
STEPS = {"25M": 9, "SmolLM2-135M": 3}
"""Steps of each way, the untimed first included."""
T = TypeVar("T")
PIECES = 16_000
CHATS_PER_STEP = 66
"""About; chats of 125 tokens."""
HELD_OUT = 96
"""Chats that losses are measured on."""


@click.command()
@click.option("--shapes", default=",".join(SHAPES), show_default=True, help="Of the models, by name.")
@click.option("--steps", type=click.IntRange(min=2), help="Of each run. Default: 9, and 3 of the larger shape.")
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(min=1), help="Runs of each way.")
@click.option("--rows", default=100_000, show_default=True, type=click.IntRange(min=1), help="Chats to tokenise.")
@click.option("--out", default=PAGE, type=click.Path(path_type=Path), help="Default: docs/benchmarks.md.")
def main(shapes: str, steps: int | None, rounds: int, rows: int, out: Path) -> None:
    """Measure what training costs on the CPU, beside other trainers on the same chats."""
    load, start = os.getloadavg()[0], time.perf_counter()
    names = shapes.split(",")
    wanted = {name: steps or STEPS[name] for name in names}
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        peers = _install_trl(folder / "peers")
        ways = [way for way in WAYS if peers or not way.startswith("TRL")]
        counts = {name: number * CHATS_PER_STEP for name, number in wanted.items()}
        click.echo("chats, tokenizer and models", err=True)
        write_projects(folder, make_corpus(PIECES).pieces, counts, HELD_OUT)
        click.echo("tokens", err=True)
        most = max(counts, key=lambda name: counts[name])
        tokens = _measured(["-m", "benchmarks.train.tokens", str(folder / most), str(rows)], Timed)
        said = {name: _told(read_chats(folder / name / "tokens.npz")) for name in names}
        versions = {"trl": TRL_VERSION} if peers else {}
        left_out = [way for way in WAYS if way not in ways]
        date = time.strftime("%Y-%m-%d")
        trained: dict[str, dict[str, Trained]] = {}
        overheads = {}
        for shape in names:
            found: dict[str, Trained] = {}
            for number in range(rounds):
                for way in ways:
                    click.echo(f"{shape}, round {number + 1} of {rounds}: {way}", err=True)
                    now = _train(way, wanted[shape], folder / shape, peers)
                    found[way] = max(found.get(way, now), now, key=lambda each: each.rate)
            click.echo(f"{shape}, overhead of a step", err=True)
            overheads[shape] = _measured(["-m", "benchmarks.train.overhead", str(folder / shape)], Overhead)
            trained[shape] = found
            # After each shape: the larger one takes long, and what is measured should not be lost with it.
            command = " ".join(["python -m benchmarks.train", *sys.argv[1:]])
            put(out, "train", part(command, date, load, trained, tokens, overheads, left_out, said, versions))
    click.echo(f"wrote {out.name} after {time.perf_counter() - start:.0f} s")


def _train(way: str, steps: int, project: Path, peers: Path | None) -> Trained:
    """A way in a process of its own, and the loss of what it saved."""
    with TemporaryDirectory(prefix="benchmarks-", dir=project) as name:
        out = Path(name)
        took = run(["-m", "benchmarks.train.ways", way, str(steps), str(project), name, str(peers or "")])
        losses = _measured(["-m", "benchmarks.train.losses", str(project), str(out / "model")], list[float])
    return Trained(took=msgspec.json.decode(took.output.splitlines()[-1], type=Took), run=took, loss=losses[0])


def _told(chats: Chats) -> str:
    return f"{len(chats):,} chats, {len(chats.ids):,} tokens, {(chats.labels >= 0).mean():.0%} of them trained on"


def _measured(words: list[str], kind: type[T]) -> T:
    return msgspec.json.decode(run(words).output.splitlines()[-1], type=kind)


def _install_trl(folder: Path) -> Path | None:
    """A folder with TRL alone, which takes the libraries that are here; None where it cannot be installed."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(folder), f"trl=={TRL_VERSION}"], capture_output=True, check=False)
    return None if done.returncode else folder


if __name__ == "__main__":
    main()
