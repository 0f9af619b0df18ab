"""The repeated blocks of a Transformer: what is sharded, compiled and recomputed one by one."""

from __future__ import annotations

import torch


def blocks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The outermost lists of modules, one behind the other: decoder layers; of an encoder-decoder, both stacks.

    No list of class names: an architecture that nobody has heard of has its layers in a ModuleList as well.
    """
    found: list[torch.nn.Module] = []
    for child in model.children():
        if isinstance(child, torch.nn.ModuleList):
            found += [block for block in child if any(True for _ in block.parameters())]
        else:
            found += blocks(child)
    return found
