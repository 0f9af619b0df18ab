"""How fast a training is, said honestly: what the numbers of a step in metrics.jsonl mean.

    tokens_per_s              tokens of the step's documents, padding left out, over the seconds of the step
    supervised_tokens_per_s   those of them that are trained on
    fill                      tokens per cell of the step's rows (rows × sequence_length)
    mfu                       FLOPs that these documents need, over the seconds and what the devices can do at most:
                              documents attend to themselves only, and the head runs on supervised rows only, so neither
                              is counted for more (`flops`)
    hfu                       the same with what is spent on padding and on recomputed activations
    data_wait                 share of the seconds spent making batches while the device waited
    memory_bytes              largest memory so far: of the device on CUDA, else resident memory of the process; of
                              the first rank
    seconds                   of the step: batches, forward, backward, optimizer; no evaluation, no checkpoint

mfu and hfu: Chowdhery et al., PaLM, arXiv:2204.02311, appendix B (model and hardware FLOPs utilisation).
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from instructkit.train.watch.flops import Costs, Lengths
from instructkit.train.watch.peak import Peak

RECENT = 20
"""Steps that the smoothed loss and the time to go look back on."""


class Meter:
    """Times steps. `seconds` of a step run from `begin` to `end`; `waiting` marks the making of batches in between."""

    def __init__(
        self, costs: Costs, peak: Peak, device: torch.device, *, devices: int = 1, recomputed: bool = False
    ) -> None:
        self.costs, self.peak, self.device, self.devices, self.recomputed = costs, peak, device, devices, recomputed
        self._began = self._waited = 0.0
        self._losses: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._ends: deque[float] = deque(maxlen=RECENT + 1)

    def begin(self) -> None:
        """A step begins."""
        self._began, self._waited = time.perf_counter(), 0.0
        if not self._ends:
            self._ends.append(self._began)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Batches are made, and the device has nothing to do."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - began

    def end(self, lengths: Lengths, supervised: int, cells: int, space: int) -> dict[str, float]:
        """The step is done: its numbers, see above.

        lengths: tokens of each document of the step, on all ranks; supervised: tokens that are trained on; cells: what
        went through the model, tokens and padding; space: what the step's rows hold at most.
        """
        seconds = time.perf_counter() - self._began
        tokens, most = int(lengths.sum()), self.peak.flops * self.devices * seconds
        return {
            "fill": round(tokens / space, 4),
            "seconds": round(seconds, 4),
            "tokens_per_s": round(tokens / seconds, 1),
            "supervised_tokens_per_s": round(supervised / seconds, 1),
            "mfu": round(self.costs.useful(lengths, supervised) / most, 4),
            "hfu": round(self.costs.executed(lengths, supervised, cells, self.recomputed) / most, 4),
            "data_wait": round(self._waited / seconds, 4),
            "memory_bytes": peak_memory_bytes(self.device),
        }

    def outlook(self, line: Mapping[str, float], to_go: int) -> dict[str, float]:
        """The mean loss per supervised token of the last `RECENT` steps, and the seconds to go at their pace.

        The pace has evaluations and checkpoints in it.
        """
        if math.isfinite(line["loss"]):
            self._losses.append((line["loss"], line["supervised_tokens"]))
        self._ends.append(time.perf_counter())
        weight = sum(n for _, n in self._losses)
        pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        return {
            "loss_mean": sum(loss * n for loss, n in self._losses) / weight if weight else line["loss"],
            "eta_s": pace * to_go,
        }


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory so far: of the device on CUDA, else of this process; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # macOS counts bytes, Linux KiB
