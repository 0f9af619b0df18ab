"""What a device can do at most: from its data sheet, else by a product of matrices timed at the start."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

DATA_SHEETS: tuple[tuple[str, float, float], ...] = (
    # part of the device's name, TFLOP/s in bf16 or fp16 (dense, accumulated in fp32), in fp32
    ("B200", 2250, 75),
    ("H200", 989, 67),
    ("H100 NVL", 835, 60),
    ("H100 PCIe", 756, 51),
    ("H100", 989, 67),
    ("A100", 312, 19.5),
    ("L40S", 362, 91.6),
    ("RTX 4090", 165, 82.6),
    ("RTX 3090", 71, 35.6),
    ("V100", 125, 15.7),
    ("T4", 65, 8.1),
    ("MI300X", 1307, 163),
)
"""Makers' data sheets, without sparsity."""
SIZE = 768
"""Rows and columns of the matrices: large enough to run at full rate, done in some hundredths of a second."""


class Peak(NamedTuple):
    """FLOPs a second."""

    flops: float
    source: str
    """For a person: where the number is from."""


def device_peak(device: torch.device, dtype: torch.dtype) -> Peak:
    """The most that one device does in that dtype."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    for part, low, full in DATA_SHEETS if device.type == "cuda" else ():
        if part in name:
            return Peak((full if dtype == torch.float32 else low) * 1e12, f"{name}, data sheet")
    best = min(_timed(device, dtype) for _ in range(4))
    return Peak(2 * SIZE**3 / best, f"a product of matrices on {name}, measured at the start")


def _timed(device: torch.device, dtype: torch.dtype) -> float:
    # Ones, and no draw: the training's random state stays as it is.
    left, right = torch.ones(SIZE, SIZE, device=device, dtype=dtype), torch.ones(SIZE, SIZE, device=device, dtype=dtype)
    synchronize(device)
    began = time.perf_counter()
    left @ right
    synchronize(device)
    return time.perf_counter() - began


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
