"""Drawing tokens so that a reply depends on its prompt and seed alone, not on what else is in its batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from instructkit.hashing import uniform


class Draws:
    """A logits processor that leaves one token a row: drawn from the softmax at a temperature, cut to its top p.

    The draw is one number for each reply and step, hashed from (seed, key, step) and looked up in the cumulative
    probabilities, likeliest first. So equal logits give equal tokens; logits differ in the last bits between batches,
    and a draw that falls within those bits of a border may differ with them.

    Source of top p: Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
    """

    def __init__(self, keys: Sequence[str], temperature: float, top_p: float, seed: int) -> None:
        self._keys, self._temperature, self._top_p, self._seed = keys, temperature, top_p, seed
        self._step = 0

    def __call__(self, _input_ids: Any, scores: torch.Tensor) -> torch.Tensor:
        """[B, V] logits -> the same with all but the drawn token at minus infinity."""
        draws = [uniform(self._seed, "reply", key, str(self._step)) for key in self._keys]
        self._step += 1
        probabilities, order = (
            (scores.double() / self._temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        )
        cumulative = probabilities.cumsum(-1)
        kept = (cumulative - probabilities < self._top_p).sum(-1, keepdim=True)
        mass = cumulative.gather(1, kept - 1)
        draw = torch.tensor(draws, dtype=torch.float64, device=scores.device)[:, None]
        # The first token whose cumulative probability lies above the draw; rounding must not lead behind the last.
        place = torch.minimum((cumulative <= draw * mass).sum(-1, keepdim=True), kept - 1)
        drawn = order.gather(1, place)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)
