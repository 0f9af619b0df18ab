"""The head swapped for the loss: while a model runs, its last matrix is not multiplied, but hands out what came in.

    model(ids)   body ─▶ hidden [B, T, D] ─▶ [ head ] ─▶ scale, cap, bias ─▶ logits [B, T, V]
                                     taken here └─ none of this is computed; `head_loss` does it on trained rows

That works for every model whose head is a plain linear layer, whatever lies before it. What lies behind it is found
out by putting known numbers in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from instructkit.models.loss import head_loss

Call = Callable[[], Any]


@dataclass(frozen=True)
class Head:
    """A linear head and what the model does to its logits."""

    linear: torch.nn.Linear
    scale: float = 1.0
    cap: float | None = None
    """Soft cap: cap · tanh(logits / cap)."""
    offset: torch.Tensor | None = None
    """[V] added to the logits, without gradient (BART's final_logits_bias)."""

    def hidden(self, call: Call) -> torch.Tensor:
        """[B·T, D]: what reaches the head while the model is called."""
        with _instead(self.linear, lambda x: x.new_zeros(1, 1, 1)) as taken:
            call()
        return taken[-1].flatten(0, -2)

    def losses(
        self, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`head_loss` of rows of `hidden`."""
        bias = self.linear.bias if self.offset is None else self.offset
        return head_loss(hidden, self.linear.weight, bias, targets, weights, scale=self.scale, cap=self.cap)


def find_head(model: Any, call: Call) -> Head | None:
    """The head of a model, if it can be taken off exactly; `call` runs the model on a few tokens.

    None where the head is no plain linear layer (adapters on it are not), or where what follows is of another kind.
    """
    linear = model.get_output_embeddings()
    # An adapter's layer has a weight too, but it is not all there is to it.
    if not isinstance(linear, torch.nn.Linear) or not linear.weight.is_floating_point():
        return None
    given: list[torch.Tensor] = []

    def known(x: torch.Tensor) -> torch.Tensor:
        numbers = torch.arange(x.shape[:-1].numel() * len(linear.weight), device=x.device, dtype=torch.float32)
        given.append((50 * torch.sin(numbers * 1.7)).to(x.dtype).reshape(*x.shape[:-1], -1))
        return given[-1]

    with _instead(linear, known) as taken:
        logits = call().logits
    if len(taken) != 1 or logits.shape != given[0].shape:
        return None
    found = _behind(given[0].double(), logits.double(), model, linear)
    if found is not None:
        try:  # whether the model bears that its head gives next to nothing
            found.hidden(call)
        except (RuntimeError, IndexError, ValueError):
            return None
    return found


def _behind(given: torch.Tensor, logits: torch.Tensor, model: Any, linear: torch.nn.Linear) -> Head | None:
    offset = getattr(model, "final_logits_bias", None)
    if offset is not None and linear.bias is None:
        offset = offset.detach().flatten()
        logits = logits - offset
    else:
        offset = None
    config = model.config.get_text_config()
    caps = [getattr(config, name, None) for name in ("final_logit_softcapping", "logits_soft_cap")]
    cap = next((float(c) for c in caps if c), None)
    if cap is not None and _same(cap * torch.tanh(given / cap), logits):
        return Head(linear, cap=cap) if offset is None else None
    scale = float((given * logits).sum() / (given * given).sum())
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale
    if not _same(given * scale, logits) or (offset is not None and scale != 1.0):
        return None
    return Head(linear, scale, offset=offset)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-5 * other.abs().max())


@contextmanager
def _instead(linear: torch.nn.Linear, answer: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """A layer that answers something else; the list fills with what it was given."""
    taken: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        taken.append(x)
        return answer(x)

    linear.forward = forward  # type: ignore[method-assign, assignment]
    try:
        yield taken
    finally:
        del linear.forward
