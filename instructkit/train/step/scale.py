"""The scale of an fp16 loss: small gradients vanish in fp16, so the loss is multiplied before the backward pass.

Source: Micikevicius et al., Mixed Precision Training, arXiv:1710.03740, section 3.2; the numbers are those of
torch.amp.GradScaler. That one is not used because it keeps its state on the device and steps the optimizer itself.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST = 2.0**-14
"""A scale below is no overflow of fp16 any more: the gradients themselves are not finite."""


@dataclass
class LossScale:
    """Doubled after `patience` steps without overflow, halved at each overflow; that step changes no weight."""

    value: float = 2.0**16
    good_steps: int = 0
    patience: int = 2000

    def update(self, finite: bool) -> bool:
        """Take note of a step; whether training may go on."""
        if not finite:
            self.value, self.good_steps = self.value / 2, 0
        elif self.good_steps + 1 == self.patience:
            self.value, self.good_steps = self.value * 2, 0
        else:
            self.good_steps += 1
        return self.value >= SMALLEST

    def state(self) -> dict[str, float]:
        """For a checkpoint."""
        return {"value": self.value, "good_steps": self.good_steps}

    def restore(self, state: dict[str, float]) -> None:
        """What `state` gave."""
        self.value, self.good_steps = float(state["value"]), int(state["good_steps"])
