"""What of a model stays as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from instructkit.train.config.bounds import Count


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Parts of the model that are not trained; what several keys name is frozen by each of them."""

    layers: Count | None = None
    """So many of the lowest layers (blocks); of an encoder-decoder, of each of both stacks."""

    top_layers_only: Count | None = None
    """Only so many of the highest layers are trained, with what stands behind them (last norm, head). A head that
    shares its table with the embeddings is frozen with them."""

    embeddings: bool = False
    """The tables of token (and position) vectors."""

    patterns: tuple[str, ...] = ()
    """Weights whose name a regular expression matches anywhere: `[self_attn, 'layers\\.0\\.']`."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        found = []
        if self.layers is not None and self.top_layers_only is not None:
            found.append("layers and top_layers_only say the same from two ends; give one of them")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                found.append(f"patterns: '{pattern}' is no regular expression ({error})")
        return found
