"""Where in a model a weight stands: which layer, and how far below the top.

    head, last norm       height 0        full learning rate
    layers.2 (the top)           0
    layers.1                     1        rate × layer_decay
    layers.0                     2        rate × layer_decay²
    embeddings                   3

Of an encoder-decoder each stack counts from its own top.
"""

from __future__ import annotations

import re
from typing import Any

import torch

_STACK = re.compile(r"^(?P<stack>(?:.*?\.)?(?:layers?|h|blocks?))\.(?P<index>\d+)\.")


def layer_of(name: str) -> tuple[str, int] | None:
    """The stack and layer that a weight or module belongs to, from its name; None for one outside the layers.

    Example: `model.layers.3.mlp.up_proj.weight` -> ("model.layers", 3). Stacks are called layers (Llama), layer (BERT),
    h (GPT-2) or block (T5) in transformers; the outermost list counts.
    """
    match = _STACK.match(name)
    return (match["stack"], int(match["index"])) if match else None


def stacks(model: Any) -> dict[str, int]:
    """Layers of each stack of the model, by the stack's name."""
    found: dict[str, int] = {}
    for name, _ in model.named_parameters():
        place = layer_of(name)
        if place is not None:
            found[place[0]] = max(found.get(place[0], 0), place[1] + 1)
    return found


def layer_heights(model: Any) -> dict[str, int]:
    """By the name of each weight: how many layers lie between it and the top.

    Embeddings lie below the lowest layer; what else is in no layer lies on top.
    """
    sizes, embeddings = stacks(model), embedding_names(model)
    bottom = max(sizes.values(), default=0)
    heights = {}
    for name, _ in model.named_parameters():
        place = layer_of(name)
        heights[name] = sizes[place[0]] - 1 - place[1] if place else bottom if name in embeddings else 0
    return heights


def embedding_names(model: Any) -> set[str]:
    """Names of the tables that vectors of tokens, positions and segments are looked up in."""
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Embedding)
    }


def token_tables(model: Any) -> set[str]:
    """Names of the embeddings, and of the head that holds a vector for each token."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    own = {name for name, p in model.named_parameters() if head is not None and p is getattr(head, "weight", None)}
    return embedding_names(model) | own
