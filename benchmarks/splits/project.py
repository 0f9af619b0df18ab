"""A project over real sets, and the same rows divided at random.

FOLDER/
  recipes/trusted.yaml   the recipe beside this file       templates/   its own template
  data/                  the sets, as they are             held_back.jsonl   an evaluation: rows that stand in data/ too
  at_random/             what the recipe's `mixed` step holds, each row in a split by lot
"""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from instructkit.build.manifest import Build
from instructkit.hashing import uniform

HERE = Path(__file__).parent
RECIPE, MIXED = "trusted", "mixed"
HELD_BACK = 300
"""Problems of GSM8K that stand in the evaluation and, as it happens, in the training data."""
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def make_project(folder: Path, data: Path) -> Path:
    """The project; the path of its recipe."""
    (folder / "recipes").mkdir(parents=True)
    recipe = folder / "recipes" / f"{RECIPE}.yaml"
    shutil.copy(HERE / "recipe.yaml", recipe)
    shutil.copytree(HERE / "templates", folder / "templates")
    (folder / "data").symlink_to(data.resolve(), target_is_directory=True)
    problems = (data / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    held = sorted(problems, key=lambda line: uniform(0, "held back", line))[:HELD_BACK]
    (folder / "held_back.jsonl").write_text("".join(held), encoding="utf-8")
    return recipe


def divide_at_random(build: Build, out: Path) -> None:
    """The rows of the mix, divided row by row as most do it: shuffled, then cut at the shares."""
    rows = build.rows(MIXED).collect()
    places = pl.Series([uniform(0, "row", row) for row in rows["id"].to_list()], dtype=pl.Float64)
    rows = rows[places.arg_sort()].drop("split")
    out.mkdir()
    start = 0
    for split, share in SHARES.items():
        count = round(share * rows.height)
        rows.slice(start, count).write_parquet(out / f"{split}.parquet")
        start += count
