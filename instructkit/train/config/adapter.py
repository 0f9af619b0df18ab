"""Adapters: a few new weights are trained, the model's own stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import msgspec

from instructkit.train.config.bounds import Count, Rate

TargetNames = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]

WHOLE_ONLY = ("adalora", "qlora")
"""Kinds whose weights fsdp2 cannot cut into slices."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Train an adapter in place of the model's own weights: less memory, small files, gentler changes."""

    kind: Literal["lora", "dora", "adalora", "prefix", "qlora"] = "lora"
    """`lora` adds a product of two narrow matrices to each target (Hu et al., arXiv:2106.09685). `dora` trains its
    length too (arXiv:2402.09353), slower and a little better at low ranks. `adalora` moves rank to where it matters
    (arXiv:2303.10512). `prefix` puts trained keys and values before every text (arXiv:2101.00190). `qlora` is lora on a
    model held in 4 bits (arXiv:2305.14314); it needs CUDA and the package bitsandbytes."""

    rank: Count = 16
    """Width of the narrow matrices. adalora begins with 1.5 times as much and ends with this on average."""

    alpha: Rate = 32.0
    """What is learned is scaled by alpha / rank; twice the rank is usual."""

    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of a target's inputs that the adapter does not see in a step of training."""

    targets: Literal["all-linear"] | TargetNames = "all-linear"
    """Which modules get an adapter: every matrix of the model's layers, or those whose name ends so
    (`[q_proj, v_proj]`). Adapting all of them matters more than a high rank (arXiv:2305.14314, section 4)."""

    prefix_tokens: Count = 16
    """Of `prefix`: how many positions are put before every text."""

    merge: bool | None = None
    """Whether the adapter is added to the model's weights at the end, so that the result is a model like any other.
    false: the result is an adapter folder, which names its base model. Not said: merged where the kind allows it (lora,
    dora, adalora)."""

    @property
    def merges(self) -> bool:
        """Whether the result is a whole model."""
        return self.kind not in ("prefix", "qlora") if self.merge is None else self.merge

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        idle = ("rank", "alpha", "dropout", "targets") if self.kind == "prefix" else ("prefix_tokens",)
        said = [each.name for each in fields(self) if each.name in idle and getattr(self, each.name) != each.default]
        found = [f"{name}: does nothing for kind {self.kind}; leave it out" for name in said]
        if self.merge and self.kind in ("prefix", "qlora"):
            found.append(f"merge: kind {self.kind} cannot be added to the model's weights; leave merge out")
        return found
