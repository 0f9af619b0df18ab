"""Which checkpoints a run writes, where it goes on, and which weights become its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instructkit.train.config.training import Training
from instructkit.train.save import checkpoint
from instructkit.train.save.average import average
from instructkit.train.save.checkpoint import Checkpoint
from instructkit.train.step.loop import Line
from instructkit.train.step.stepper import Stepper
from instructkit.train.step.stopping import WATCHED
from instructkit.train.watch.progress import Event, Progress


class Saves:
    """The checkpoints of one run, on every rank."""

    def __init__(self, folder: Path, key: str, config: Training, stepper: Stepper) -> None:
        self.folder, self.key, self.config, self.stepper = folder, key, config, stepper
        self.model: Any = stepper.parallel.runner.model
        self.ranks = stepper.parallel.ranks
        self.latest = max(config.keep_checkpoints, config.average_checkpoints or 1)
        self.best = config.keep_best or int(config.export == "best")

    def restore(self, say: Progress) -> int:
        """Put the state of the latest checkpoint back; the steps that are done. Raises TrainingError."""
        paths = self.ranks.alone(lambda: checkpoint.checkpoints(self.folder))
        if not paths:
            return 0
        self.ranks.alone(lambda: checkpoint.check(paths[-1], self.key))
        about = checkpoint.restore(paths[-1], model=self.model, optimizer=self.stepper.optimizer)
        self.stepper.restore(about.extra)
        say(Event(phase="train", message=f"going on after step {about.step}"))
        return about.step

    def save(self, step: int, line: Line, last: bool) -> None:
        """Write a checkpoint where one is due: every so many steps, at the last, and at a loss among the best."""
        loss = line.get(WATCHED, line.get("validation_loss"))
        every = self.config.checkpoint_every
        due = every is not None and (last or step % every == 0)
        if not due and not (
            self.best
            and loss is not None
            and self.ranks.alone(lambda: checkpoint.is_among_best(self.folder, loss, self.best))
        ):
            return
        checkpoint.save(
            self.folder,
            Checkpoint(step=step, key=self.key, due=due, validation_loss=loss, extra=self.stepper.state()),
            model=self.model,
            optimizer=self.stepper.optimizer,
            ranks=self.ranks,
            keep=self.latest,
            keep_best=self.best,
        )

    def choose(self, step: int, say: Progress) -> list[str]:
        """Make the model's weights those of the result: of `step`, the last, or of the best, or the mean of some.

        What there is to say of it on the result. Raises TrainingError.
        """
        wanted = self.config.average_checkpoints
        if wanted is not None:
            paths = self.ranks.alone(lambda: checkpoint.due(self.folder))[-wanted:]
            average(self.model, paths, lambda path: checkpoint.restore_weights(path, self.model))
            steps = ", ".join(str(checkpoint.read_about(path).step) for path in paths)
            say(Event(phase="export", message=f"the mean of the weights of steps {steps}"))
            few = f"average_checkpoints: {wanted} are asked for, but there were only {len(paths)}, of steps {steps}"
            return [few] if len(paths) < wanted else []
        path = None if self.config.export == "last" else self.ranks.alone(lambda: checkpoint.best(self.folder))
        if path is None:
            return []
        about = checkpoint.read_about(path)
        if about.step != step:
            checkpoint.restore_weights(path, self.model)
        say(Event(phase="export", message=f"the best weights, of step {about.step}: {about.validation_loss:.4f}"))
        return []
