"""Whole commands, as a user runs them: builds and start-up."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median

from benchmarks.process import Run, run

COMMAND = "from instructkit.__main__ import main; main()"
"""What the `instructkit` program does; by `-c`, so that it need not be installed."""


def builds(recipe: Path) -> list[tuple[str, Run]]:
    """A recipe built by one worker, by two, and once more when all is there."""
    folder = recipe.parent.parent / "whole"
    words = ["-c", COMMAND, "build", str(recipe), "--build-dir", str(folder), "--workers"]
    results = []
    for workers in (1, 2):
        shutil.rmtree(folder, ignore_errors=True)
        results.append((f"{workers} worker{'s' if workers > 1 else ''}", run([*words, str(workers)])))
    results.append(("nothing changed", run([*words, "2"])))
    return results


def starts(rounds: int) -> list[tuple[str, float, float | None]]:
    """(command, median seconds, times the first) of commands that alternate."""
    commands = {
        'python -c "import click"': ["-c", "import click"],
        "instructkit --help": ["-c", COMMAND, "--help"],
        "instructkit check recipes/quickstart.yaml": ["-c", COMMAND, "check", "recipes/quickstart.yaml"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for i in range(rounds + 1):
        for name, words in commands.items():
            took = run(words).seconds
            if i:  # the first round fills the caches
                times[name].append(took)
    first, *others = times
    return [(first, median(times[first]), None)] + [
        (name, median(times[name]), median(b / a for a, b in zip(times[first], times[name], strict=True)))
        for name in others
    ]
