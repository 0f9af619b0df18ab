"""Where the numbers of a training go beside metrics.jsonl: TensorBoard's event files, Weights & Biases.

Nested numbers get names with slashes: `validation/template/summarization/headline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Tracker(Protocol):
    """Takes the lines of metrics.jsonl."""

    def log(self, line: Mapping[str, Any]) -> None:
        """A line: `step`, and numbers, some of them in mappings."""
        ...

    def close(self) -> None:
        """The training is done, or has failed."""
        ...


class TensorBoard:
    """Event files in the run's folder; what an earlier call wrote behind `done` steps is marked as replaced."""

    def __init__(self, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=done + 1)

    def log(self, line: Mapping[str, Any]) -> None:
        """A point of each number's curve."""
        for name, value in flat(line):
            if name != "step":
                self._writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Write the rest."""
        self._writer.close()


class WeightsAndBiases:
    """A run of W&B by its own settings (WANDB_PROJECT, WANDB_MODE=offline, …); one that goes on, goes on there."""

    def __init__(self, out: Path, done: int, settings: Mapping[str, Any]) -> None:
        import wandb

        name = out / "wandb/id"
        if not done or not name.exists():
            name.parent.mkdir(exist_ok=True)
            name.write_text(wandb.util.generate_id())
        self._run = wandb.init(dir=str(out), name=out.name, id=name.read_text(), resume="allow", config=dict(settings))

    def log(self, line: Mapping[str, Any]) -> None:
        """A step of the run."""
        self._run.log({name: value for name, value in flat(line) if name != "step"}, step=line["step"])

    def close(self) -> None:
        """Finish the run, which sends what is left."""
        self._run.finish()


def open_trackers(names: Sequence[str], out: Path, done: int, settings: Mapping[str, Any]) -> list[Tracker]:
    """The trackers of a run in its folder, of which `done` steps are done; `settings` are shown beside the curves.

    Their packages are there: `Training.at` has seen to it.
    """
    return [
        TensorBoard(out / "tensorboard", done) if name == "tensorboard" else WeightsAndBiases(out, done, settings)
        for name in names
    ]


def flat(line: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a line under names with slashes."""
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}/")
        elif isinstance(value, int | float):
            yield f"{above}{name}", value
