"""Embeddings moved while a model is trained on them, so that it learns more than the exact words.

    NEFTune   noise, drawn evenly      Jain et al., arXiv:2310.05914, algorithm 1
    FGM       a second pass with each document's embeddings moved where its loss rises most
                                       Miyato, Dai and Goodfellow, arXiv:1605.07725, equations 5 to 7

Each document is moved by itself, by a vector that depends on nothing but (seed, step, example) or its own gradient: so
the gradients of a step are the same for every cut into rows, micro-batches and ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from instructkit.errors import TrainingError
from instructkit.hashing import uniform
from instructkit.models.batch import Batch
from instructkit.train.config.training import Training

Place = tuple[int, slice]
"""Row and columns of a document in a batch."""


@dataclass(kw_only=True)
class Perturbation:
    """What moves the output of an embedding table; without noise and FGM it does nothing."""

    table: torch.nn.Module
    seed: int
    noise: float | None = None
    """NEFTune's alpha."""
    adversary: float | None = None
    """FGM's epsilon: the length of the vector that moves a document."""
    _seen: torch.Tensor | None = field(default=None, init=False)
    """What the table gave in the first pass, for its gradient."""

    @property
    def passes(self) -> int:
        """Forwards and backwards of each micro-batch; each counts for its share of the step's gradient."""
        return 1 if self.adversary is None else 2

    @contextmanager
    def during(
        self, turn: int, step: int, batch: Batch, examples: Sequence[int], lengths: Sequence[int]
    ) -> Iterator[None]:
        """Move what the table gives in one forward; `turn` counts the passes of a micro-batch from 0.

        `examples` and `lengths`: of the documents of the batch, in order, in the training data and in tokens. The
        backward of turn 0 must be over before turn 1 begins.
        """
        if self.noise is None and self.adversary is None:
            yield
            return
        places = _places(batch, lengths)
        against = None if turn == 0 else self._against(places)

        def move(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            moved = output
            if self.noise is not None:
                moved = moved + self._noise(output, step, places, examples)
            if against is not None:
                moved = moved + against.to(moved.dtype)
            if turn == 0 and self.adversary is not None:
                # Below an adapter the table itself has no gradient.
                moved = moved if moved.requires_grad else moved.detach().requires_grad_(True)
                moved.retain_grad()
                self._seen = moved
            return moved

        handle = self.table.register_forward_hook(move)
        try:
            yield
        finally:
            handle.remove()

    def _noise(self, output: torch.Tensor, step: int, places: Sequence[Place], examples: Sequence[int]) -> torch.Tensor:
        noise = torch.zeros(output.shape)
        width = output.shape[-1]
        for (row, columns), example in zip(places, examples, strict=True):
            length = columns.stop - columns.start
            own = torch.Generator().manual_seed(int(uniform(self.seed, "noise", str(step), str(example)) * (1 << 53)))
            drawn = torch.rand(length, width, generator=own) * 2 - 1
            noise[row, columns] = drawn * ((self.noise or 0.0) / (length * width) ** 0.5)
        return noise.to(output.device, output.dtype)

    def _against(self, places: Sequence[Place]) -> torch.Tensor:
        """The gradient of each document, scaled to the adversary's length; 0 where nothing of it is trained on."""
        assert self._seen is not None, "turn 1 follows turn 0"
        gradient, self._seen = self._seen.grad, None
        assert gradient is not None, "the backward of turn 0 comes before turn 1"
        gradient = gradient.float()
        for row, columns in places:
            part = gradient[row, columns]
            part *= (self.adversary or 0.0) / part.norm().clamp(min=torch.finfo(torch.float32).tiny)
        return gradient


def make_perturbation(model: Any, config: Training) -> Perturbation:
    """What the training's `neftune` and `fgm` ask for. Raises TrainingError for a model that it is not exact for."""
    if (config.neftune is not None or config.fgm is not None) and model.config.is_encoder_decoder:
        key = "neftune" if config.neftune is not None else "fgm"
        raise TrainingError(
            f"{key}: of an encoder-decoder, source and target share one table; only decoders can have it"
        )
    table = model.get_input_embeddings()
    return Perturbation(table=table, seed=config.seed, noise=config.neftune, adversary=config.fgm)


def _places(batch: Batch, lengths: Sequence[int]) -> list[Place]:
    if batch.attention_mask is not None:  # a classifier's: the class stands behind what is read, and is not embedded
        lengths = batch.attention_mask.sum(1).tolist()
    if batch.lengths is None:
        return [(row, slice(0, length)) for row, length in enumerate(lengths)]
    places, start = [], 0
    for length in lengths:
        places.append((0, slice(start, start + length)))
        start += length
    return places
