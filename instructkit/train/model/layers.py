"""Where in a model a weight stands: in which layer, and how far below the top.

    head, last norm       height 0        full learning rate
    layers.2 (the top)           0
    layers.1                     1        rate × layer_decay
    layers.0                     2        rate × layer_decay²
    embeddings                   3

Of an encoder-decoder each stack counts from its own top.
"""

from __future__ import annotations

from typing import Any

import torch

Stacks = dict[str, int]
"""Layers of each stack of a model, by the stack's name."""


def stacks(model: Any) -> Stacks:
    """The outermost lists of modules: `model.layers` of Llama, `transformer.h` of GPT-2, `encoder.block` of T5."""
    found: Stacks = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, torch.nn.ModuleList) and len(module) and not inside:
            found[name] = len(module)
    return found


def blocks(model: Any) -> list[torch.nn.Module]:
    """The layers of all stacks, one stack behind the other: what is sharded, compiled and recomputed one by one.

    No list of class names: an architecture that nobody has heard of has its layers in a ModuleList as well.
    """
    every = [block for stack in stacks(model) for block in model.get_submodule(stack)]
    return [block for block in every if any(True for _ in block.parameters())]


def layer_of(name: str, known: Stacks) -> tuple[str, int] | None:
    """The stack and layer that a weight or module belongs to; None for one outside the layers.

    Example: `model.layers.3.mlp.up_proj.weight` -> ("model.layers", 3).
    """
    for stack in known:
        if name.startswith(f"{stack}."):
            return stack, int(name.removeprefix(f"{stack}.").partition(".")[0])
    return None


def layer_heights(model: Any) -> dict[str, int]:
    """By the name of each weight: how many layers lie between it and the top.

    Embeddings lie below the lowest layer; what else is in no layer lies on top.
    """
    known, embeddings = stacks(model), embedding_names(model)
    bottom = max(known.values(), default=0)
    heights = {}
    for name, _ in model.named_parameters():
        place = layer_of(name, known)
        heights[name] = known[place[0]] - 1 - place[1] if place else bottom if name in embeddings else 0
    return heights


def embedding_names(model: Any) -> set[str]:
    """Names of the tables that vectors of tokens, positions and segments are looked up in."""
    tables = [(name, m) for name, m in model.named_modules() if isinstance(m, torch.nn.Embedding)]
    return {f"{name}.weight" if name else "weight" for name, _ in tables}


def token_tables(model: Any) -> set[str]:
    """Names of the embeddings, and of the head that holds a vector for each token."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    own = {name for name, p in model.named_parameters() if head is not None and p is getattr(head, "weight", None)}
    return embedding_names(model) | own
