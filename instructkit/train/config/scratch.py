"""The shape of a new model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from instructkit.train.config.bounds import Count


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A new model with random weights, in place of a pretrained one, and a tokenizer trained on the examples."""

    architecture: Literal["llama"] = "llama"
    """The model's family: llama is a plain decoder (RMSNorm, rotary positions, gated MLP) that every server loads."""

    hidden_size: Annotated[int, msgspec.Meta(ge=8)] = 192
    """Width of the model; a multiple of twice `heads`."""

    layers: Count = 4
    """Number of decoder blocks."""

    heads: Count = 4
    """Attention heads; each is hidden_size / heads wide. 32 to 128 is usual."""

    kv_heads: Count | None = None
    """Heads for keys and values; fewer than `heads` save memory when generating. None: as many as `heads`."""

    intermediate_size: Count | None = None
    """Width inside the MLP. None: 8/3 of hidden_size, rounded up to a multiple of 32."""

    vocab_size: Annotated[int, msgspec.Meta(ge=300)] = 4096
    """Largest number of tokens, the 256 bytes and the control tokens included. More tokens make texts shorter and the
    model larger; a small corpus yields fewer."""

    tie_embeddings: bool = True
    """Whether input and output share one table of token vectors: saves the larger part of a small model."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        found = []
        if self.hidden_size % (2 * self.heads):
            found.append(f"hidden_size {self.hidden_size} must be a multiple of twice heads ({2 * self.heads})")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            found.append(f"kv_heads {self.kv_heads} must divide heads ({self.heads})")
        return found
