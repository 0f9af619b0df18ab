"""The loss of trained models on chats that none has seen: `python -m benchmarks.train.losses PROJECT MODEL...`.

Plain transformers, one chat a row, the sum over trained tokens divided once: nothing of any trainer's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.train.project import read_chats

CHATS = 16


def heldout_loss(project: Path, model: Path) -> float:
    """Nats per trained token."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    chats = read_chats(project / "heldout.npz")
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(chats), CHATS):
            rows = list(chats.rows(slice(start, start + CHATS)))
            width = max(len(ids) for ids, _ in rows)
            ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
            labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows])
            mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows])
            logits = loaded(ids, attention_mask=mask).logits[:, :-1].flatten(0, 1)
            targets = labels[:, 1:].flatten()
            total += torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum").item()
            count += int((targets != -100).sum())
    return total / count


if __name__ == "__main__":
    print(msgspec.json.encode([heldout_loss(Path(sys.argv[1]), Path(m)) for m in sys.argv[2:]]).decode())
